/** A map in the order of its entries that takes little memory while there is only one, as there is in most. */
export class FewMap<TKey, TValue extends object> {
  private key: TKey | undefined = undefined;
  private value: TValue | undefined = undefined;
  /** Those that came after the first. */
  private more: Map<TKey, TValue> | undefined = undefined;

  get size(): number {
    return (this.value === undefined ? 0 : 1) + (this.more?.size ?? 0);
  }

  get(key: TKey): TValue | undefined {
    return this.isFirst(key) ? this.value : this.more?.get(key);
  }

  /** Under a key that is free. */
  add(key: TKey, value: TValue): void {
    if (this.size > 0) (this.more ??= new Map<TKey, TValue>()).set(key, value);
    else [this.key, this.value] = [key, value];
  }

  delete(key: TKey): void {
    if (this.isFirst(key)) this.key = this.value = undefined;
    else this.more?.delete(key);
  }

  values(): TValue[] {
    const rest = this.more === undefined ? [] : [...this.more.values()];
    return this.value === undefined ? rest : [this.value, ...rest];
  }

  /** As a Map compares keys. */
  private isFirst(key: TKey): boolean {
    return this.value !== undefined && (this.key === key || Object.is(this.key, key));
  }
}
