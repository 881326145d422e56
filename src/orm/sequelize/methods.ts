import { AsyncLocalStorage } from 'node:async_hooks';
import type { Model, ModelStatic, Sequelize } from 'sequelize';
import { postDelete, postSave, preDelete, preSave } from '../../models.ts';
import { hasReceivers, callSite } from '../bulk.ts';
import { patch } from '../patch.ts';
import { attached, modelOf, type Operation, sequelizeOf } from './adapter.ts';

const sites = new AsyncLocalStorage<string>();

/** The line that called the bulk method: when its hooks run, that call has long returned. */
export function callSiteOfBulk(): string | undefined {
  return sites.getStore();
}

/** What hooks cannot do: open a transaction around a write, and know the line that asked for it. */
export function interceptMethods(sequelize: Sequelize): () => void {
  const { Model: Base } = sequelize.constructor as unknown as { Model: ModelStatic<Model> };
  const undo = [
    ...(['save', 'destroy', 'restore'] as const).map((name) =>
      patch(Base.prototype as object, name, (original) => {
        return function (this: Model, options?: Operation) {
          return atomically(
            this,
            options,
            original as never,
            name === 'destroy' ? [preSave, postSave, preDelete, postDelete] : [preSave, postSave],
          );
        };
      }),
    ),
    ...(['update', 'destroy', 'restore', 'upsert', 'bulkCreate'] as const).map((name) =>
      patch(Base, name, (original) => {
        return function (this: ModelStatic<Model>, ...args: unknown[]) {
          const run = (): unknown => Reflect.apply(original, this as never, args as never[]);
          const policy = attached.get(sequelizeOf(this))?.options.bulk;
          const loud =
            (policy === 'warn' || policy === 'individual') &&
            hasReceivers(name === 'destroy' ? 'delete' : 'update', this);
          return loud ? sites.run(callSite(), run) : run();
        };
      }),
    ),
  ];
  return () => {
    for (const step of undo) step();
  };
}

/** With `atomic`, a write that has receivers and no transaction gets one. */
function atomically(
  instance: Model,
  options: Operation | undefined,
  method: (this: Model, options?: Operation) => Promise<unknown>,
  signals: readonly { hasListeners(sender: unknown): boolean }[],
): Promise<unknown> {
  const sequelize = sequelizeOf(instance);
  const { _cls: cls } = sequelize.constructor as { _cls?: { get(name: string): unknown } };
  const surrounded = (options?.transaction ?? cls?.get('transaction') ?? undefined) !== undefined;
  if (
    attached.get(sequelize)?.options.atomic !== true ||
    surrounded ||
    !signals.some((signal) => signal.hasListeners(modelOf(instance)))
  ) {
    return method.call(instance, options);
  }
  return sequelize.transaction((transaction) => method.call(instance, { ...options, transaction }));
}
