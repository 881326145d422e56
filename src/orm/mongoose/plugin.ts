import type { Schema } from 'mongoose';
import { dispose } from '../../core/dispose.ts';
import { assertSupported } from '../supported.ts';
import { warnOnce } from '../warning.ts';
import { type AnyModel, type MongooseOptions, MongooseAdapter } from './adapter.ts';
import { saveHooks } from './documents.ts';
import { overrideMethods } from './methods.ts';
import { queryHooks } from './queries.ts';
import { WRITES } from './query.ts';
import { trackingOf } from './tracked.ts';

/** A Mongoose plugin that can be switched off. */
export type Plugin = ((schema: Schema) => void) & Disposable;

/** What is used of a Mongoose that a schema belongs to. */
interface Base {
  readonly version?: string;
  readonly plugins?: readonly (readonly unknown[])[];
  readonly connections?: readonly { readonly models: Readonly<Record<string, AnyModel>> }[];
}

/** Hook a schema, and the model that is compiled of it where hooks do not tell enough. */
export function makePlugin(options: MongooseOptions): Plugin {
  const adapter = new MongooseAdapter(options);
  const saves = saveHooks(adapter);
  const queries = queryHooks(adapter);
  const checked = new WeakSet<Base>();
  const plugin = (schema: Schema): void => {
    const { base } = schema as { base?: Base };
    if (base !== undefined && !checked.has(base)) {
      assertSupported('Mongoose', base.version, '8.16.0', '10.0.0');
      trackingOf(base);
      checked.add(base);
      if (base.plugins?.some(([each]) => each === plugin) === true) {
        adapter.isGlobal = true;
        warnIfLate(base);
      }
    }
    schema.pre('save', saves.beforeSave as never);
    schema.post('save', saves.afterSave as never);
    schema.pre([...WRITES], { document: false, query: true }, queries.before as never);
    schema.post([...WRITES], { document: false, query: true }, queries.after as never);
    (schema as unknown as { on(event: 'init', listener: (model: AnyModel) => void): void }).on('init', (model) => {
      overrideMethods(adapter, model);
    });
  };
  return Object.assign(plugin, {
    [dispose]: () => {
      adapter.active = false;
    },
  });
}

/** Mongoose applies plugins when it compiles a model: those before stay without. */
function warnIfLate({ connections = [] }: Base): void {
  const names = connections.flatMap(({ models }) => Object.keys(models));
  if (names.length === 0) return;
  warnOnce(
    new Set(),
    'TOCSIN_LATE',
    '',
    '',
    () =>
      `mongoose.plugin(signals()) came after ${names.join(', ')} ${names.length === 1 ? 'was' : 'were'} compiled, ` +
      'so that no signals are sent for them. Call it before any model is compiled.',
  );
}
