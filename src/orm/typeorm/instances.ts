import type { DataSource, EntityMetadata, EntityTarget, ObjectLiteral } from 'typeorm';

/** An instance without any value. The constructor is the app's: it may want arguments, and set what no row holds. */
export function blankOf({ target }: EntityMetadata): object {
  return typeof target === 'function' ? (Object.create(target.prototype as object) as object) : {};
}

/**
 * What TypeORM knows of an instance that was given to `save()` or the like, with what may be given beside it; undefined
 * if it will refuse it.
 */
export function metadataOfRoot(
  root: object,
  target: EntityTarget<ObjectLiteral> | undefined,
  dataSource: DataSource,
): EntityMetadata | undefined {
  const of = target ?? root.constructor;
  return of !== Object && dataSource.hasMetadata(of)
    ? dataSource.getMetadata(of).findInheritanceMetadata(root)
    : undefined;
}
