/** A transaction as an adapter would describe it in a payload, for tests of the core. */
export function mockTransaction(): {
  args: { tx: string; onCommit: (callback: () => unknown) => void };
  commit(): Promise<void>;
} {
  const callbacks: (() => unknown)[] = [];
  return {
    args: { tx: 'transaction', onCommit: (callback) => void callbacks.push(callback) },
    async commit() {
      for (const callback of callbacks) await callback();
    },
  };
}
