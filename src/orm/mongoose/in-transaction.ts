import type { ClientSession } from 'mongoose';
import type { AnyModel } from './adapter.ts';

/** Run in a transaction of the adapter's own, which MongoDB may want to be tried again. */
export function inTransaction<T>(model: AnyModel, work: (session: ClientSession) => Promise<T>): Promise<T> {
  return model.db.transaction<T>(work);
}
