import { describe, expect, test } from 'vitest';
import {
  connectReceivers,
  disconnectReceivers,
  postSave,
  type PostSaveArgs,
  receiver,
  Signal,
} from '../../../src/index.ts';

class User {
  name = 'Ada';
}
const saved = new Signal<{ n: number }>('saved');
const deleted = new Signal<{ n: number }>('deleted');
const send = (signal: Signal<{ n: number }>, sender: unknown = null) =>
  signal.send(sender, { n: 1 }).map(([, response]) => response);

test('this project compiles with experimentalDecorators', () => {
  const seen: unknown[][] = [];
  const record = (...args: unknown[]): void => void seen.push(args);
  class Probe {
    @record member(): void {}
  }
  expect(seen).toEqual([[Probe.prototype, 'member', expect.objectContaining({ configurable: true })]]);
});

describe('an instance method', () => {
  test('is connected when the constructor calls connectReceivers(this)', () => {
    class Mailer {
      readonly name: string;
      constructor(name: string) {
        this.name = name;
        connectReceivers(this);
      }
      @receiver(saved, { sender: User })
      onSave(_sender: typeof User, { n }: { n: number }): string {
        return `${this.name}${String(n)}`;
      }
    }
    const mailers = [new Mailer('a'), new Mailer('b')];
    expect(send(saved, User)).toEqual(['a1', 'b1']);
    for (const mailer of mailers) {
      connectReceivers(mailer);
      disconnectReceivers(mailer);
    }
    expect(saved.connections).toEqual([]);
  });

  test('is not connected before', () => {
    class Mailer {
      @receiver(saved) onSave(): void {}
    }
    expect(new Mailer()).toBeDefined();
    expect(saved.connections).toEqual([]);
  });

  test('is called in the most derived override, with the options of the most derived decorator', () => {
    class Base {
      constructor() {
        connectReceivers(this);
      }
      @receiver(saved, { priority: 1 }) onSave(): string {
        return 'base';
      }
      @receiver(saved) onOther(): string {
        return 'base other';
      }
    }
    class Derived extends Base {
      @receiver(saved, { sender: User })
      @receiver(deleted)
      override onSave(): string {
        return 'derived';
      }
      override onOther(): string {
        return 'derived other';
      }
    }
    const derived = new Derived();
    expect(send(saved)).toEqual(['derived other']);
    expect(send(saved, User).sort()).toEqual(['derived', 'derived other']);
    expect(send(deleted)).toEqual(['derived']);
    disconnectReceivers(derived);
  });

  test('stacks, takes lists and symbol names, and infers the instance of a model signal', () => {
    const handle = Symbol('handle');
    const seen: string[] = [];
    class Audit {
      @receiver([saved, deleted])
      @receiver(saved, { sender: User })
      [handle](): string {
        return 'audited';
      }
      @receiver(postSave, { sender: User })
      onUser(_sender: typeof User, { instance, created }: PostSaveArgs<User>): void {
        seen.push(`${instance.name} ${String(created)}`);
      }
    }
    const audit = new Audit();
    connectReceivers(audit);
    expect(send(saved, User)).toEqual(['audited', 'audited']);
    expect(send(deleted)).toEqual(['audited']);
    postSave.send(User, { instance: new User(), created: true });
    expect(seen).toEqual(['Ada true']);
    disconnectReceivers(audit);
  });
});

test('a static method is connected with its class, strongly, the class as this', () => {
  const signal = new Signal();
  class Audit {
    static level = 'info';
    @receiver(signal) static audit(): string {
      return this.level;
    }
  }
  expect(signal.send(null)).toEqual([[Audit.audit, 'info']]);
  expect(signal.disconnect(Audit.audit)).toBe(true);
});

describe('is refused when decorating', () => {
  const decorate = receiver(saved) as unknown as (...args: unknown[]) => unknown;

  test('on an accessor or a field', () => {
    expect(() => decorate({}, 'member', { get: () => 1 })).toThrow('not on member member');
    expect(() => decorate({}, 'member', undefined)).toThrow('not on member member');
    expect(() => decorate({}, 'member')).toThrow('not on member member');
  });

  test('on a class', () => {
    expect(() => decorate(class Mailer {})).toThrow(/class Mailer: a class cannot be called/);
  });

  test('on a parameter', () => {
    expect(() => decorate({}, 'member', 0)).toThrow('not on a parameter of member "member"');
    expect(() => decorate(class Mailer {}, undefined, 0)).toThrow('not on a parameter of the constructor');
  });

  test('with options that suit no method', () => {
    expect(() =>
      (receiver(saved, { weak: true }) as unknown as typeof decorate)({}, 'onSave', { value: () => 1 }),
    ).toThrow(/weak and owner exclude each other: an owner, such as the instance of a decorated method/);
    expect(() =>
      (receiver(saved, { owner: {} }) as unknown as typeof decorate)({}, 'onSave', { value: () => 1 }),
    ).toThrow(/owner has no place/);
  });
});
