/** What can be compared of MikroORM's entities, collections and EntityManagers, as text. */
import { inspect } from 'node:util';
import { type Collection, Cursor, EntityManager, isRaw, Reference, Utils } from '@mikro-orm/core';
import { Address } from './mikro-orm-entities.ts';

/** What MikroORM keeps of an entity beside its properties. */
interface Helper {
  readonly __managed?: boolean;
  readonly __initialized?: boolean;
  readonly __touched?: boolean;
  readonly __processing?: boolean;
  readonly __em?: unknown;
  readonly __originalEntityData?: object;
  readonly __loadedProperties?: ReadonlySet<string>;
  getPrimaryKey(): unknown;
}
const helperOf = (entity: object): Helper => (entity as { __helper: Helper }).__helper;

/** Everything about an entity that a program may notice, as text; other entities by their keys. */
export function textOfEntity(entity: object): string {
  const helper = helperOf(entity);
  const flags = ['__managed', '__initialized', '__touched', '__processing', '__em'].filter((flag) =>
    Boolean(helper[flag as keyof Helper]),
  );
  const properties = Reflect.ownKeys(entity)
    .filter((key): key is string => typeof key === 'string' && key !== '__helper')
    .map((key) => `${key}: ${textOfValue((entity as Record<string, unknown>)[key])}`);
  // The order of its keys depends on what MikroORM has done before, whatever is attached.
  const original =
    helper.__originalEntityData &&
    Object.fromEntries(Object.entries(helper.__originalEntityData).sort(([one], [other]) => one.localeCompare(other)));
  const loaded = [...(helper.__loadedProperties ?? [])].join();
  return `${nameOfEntity(entity)} {${properties.join(', ')}} ${flags.join()} loaded ${loaded} original ${textOfValue(original)}`;
}

export function nameOfEntity(entity: object): string {
  return `${entity.constructor.name}#${inspect(helperOf(entity).getPrimaryKey(), { depth: 0 })}`;
}

export function textOfCollection(collection: Collection<object>): string {
  const snapshot = collection.getSnapshot()?.map(nameOfEntity).join();
  const flags = `${String(collection.isInitialized())} ${String(collection.isDirty())}`;
  return `Collection [${collection.getItems(false).map(nameOfEntity).join()}] was [${String(snapshot)}] ${flags}`;
}

export function textOfValue(value: unknown): string {
  if (Utils.isCollection<object>(value)) return textOfCollection(value);
  if (value instanceof Reference) return `Reference ${textOfValue((value as Reference<object>).unwrap())}`;
  if (isRaw(value)) return `raw ${inspect([value.sql, value.params])}`;
  if (Array.isArray(value)) return `[${value.map(textOfValue).join()}]`;
  if (Utils.isEntity<object>(value)) return nameOfEntity(value);
  if (!Utils.isPlainObject(value) && !(value instanceof Address)) return inspect(value, { depth: 0 });
  return `{${Object.entries(value as object)
    .map(([key, inner]) => `${key}: ${textOfValue(inner)}`)
    .join()}}`;
}

/** What an EntityManager knows, and what it will do when it is flushed. */
export function textOfManager(em: EntityManager): string {
  const unit = em.getUnitOfWork(false);
  const known = [...unit.getIdentityMap()].map((entity) => textOfEntity(entity as object));
  const stacks = [unit.getPersistStack(), unit.getRemoveStack(), unit.getOrphanRemoveStack()].map((stack) =>
    [...stack].map(nameOfEntity).join(),
  );
  const pending = unit.getChangeSets().length + unit.getCollectionUpdates().length + unit.getExtraUpdates().size;
  return `${known.join('\n')} | ${stacks.join(' | ')} | ${String(pending)} | ${String(em.isInTransaction())}`;
}

/** What must not be walked into, as text. */
export function leaf(value: unknown): string | undefined {
  if (value instanceof EntityManager) return '[EntityManager]';
  if (Utils.isCollection<object>(value)) return textOfCollection(value);
  if (Utils.isEntity<object>(value)) return textOfEntity(value);
  if (value instanceof Reference || isRaw(value)) return textOfValue(value);
  if (value instanceof Cursor) return `Cursor ${value.items.map(textOfValue).join()} of ${String(value.totalCount)}`;
  return undefined;
}
