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
 * instances a copy of `shape`.
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
      Object.assign(this, structuredClone(shape ?? {}), values);
    }
  };
  Object.defineProperty(mock, 'name', { value: name, configurable: true });
  return mock as unknown as MockSender<TShape>;
}
