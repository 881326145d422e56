import { describe } from '../core/describe.ts';

/** What `mockSender()` makes: a class whose instances have what it was told. */
export interface MockSender<TShape extends object> {
  readonly prototype: TShape;
  readonly name: string;
  /** @param values - what differs from the shape. */
  new (values?: Partial<TShape>): TShape;
}

/**
 * A class to be a sender in a test, in place of a model: it has the name given, wherever it is printed, and its
 * instances a copy of `shape`: of its plain objects, arrays and dates; functions and instances of classes are shared.
 *
 * @throws TypeError if `name` is not a string.
 * @example
 * ```ts
 * const User = mockSender('User', { email: 'ada@example.org', admin: false })
 *
 * postSave.connect((sender, { instance }) => `welcome, ${instance.email}`, { sender: User })
 * const [[, response]] = postSave.send(User, { instance: new User({ admin: true }), created: true })
 * response // 'welcome, ada@example.org'
 * ```
 */
export function mockSender<TShape extends object = object>(name: string, shape?: TShape): MockSender<TShape> {
  if (typeof name !== 'string') throw new TypeError(`mockSender() takes a name, not ${describe(name)}`);
  // eslint-disable-next-line @typescript-eslint/no-extraneous-class -- its instances get what it is told
  const mock = class {
    constructor(values: Partial<TShape> = {}) {
      Object.assign(this, copyOf(shape ?? {}), values);
    }
  };
  Object.defineProperty(mock, 'name', { __proto__: null, value: name, configurable: true } as PropertyDescriptor);
  return mock as unknown as MockSender<TShape>;
}

/** In place of structuredClone(): jsdom has none, and a shape may have methods. */
function copyOf(value: unknown, copies = new Map<unknown, unknown>()): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (copies.has(value)) return copies.get(value);
  if (value instanceof Date) return new Date(value);
  const prototype: unknown = Object.getPrototypeOf(value);
  const isPlain = prototype === null || Object.getPrototypeOf(prototype) === null;
  if (!isPlain && !Array.isArray(value)) return value;
  const copy: object = Array.isArray(value) ? [] : {};
  copies.set(value, copy);
  for (const [key, each] of Object.entries(value)) Reflect.set(copy, key, copyOf(each, copies));
  return copy;
}
