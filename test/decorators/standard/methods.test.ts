import { describe, expect, test } from 'vitest';
import { connectReceivers, disconnectReceivers, receiver, Signal } from '../../../src/index.ts';
import { collectGarbage, isCollected } from '../../support/gc.ts';

class User {}
const saved = new Signal<{ n: number }>('saved');
const deleted = new Signal<{ n: number }>('deleted');
const send = (signal: Signal<{ n: number }>, sender: unknown = null) =>
  signal.send(sender, { n: 1 }).map(([, response]) => response);

describe('an instance method', () => {
  test('is connected for each instance, with the instance as this', () => {
    class Mailer {
      readonly name: string;
      constructor(name: string) {
        this.name = name;
      }
      @receiver(saved, { sender: User })
      onSave(_sender: typeof User, { n }: { n: number }): string {
        return `${this.name}${String(n)}`;
      }
    }
    expect(send(saved, User)).toEqual([]);
    const mailers = [new Mailer('a'), new Mailer('b')];
    expect(send(saved, User)).toEqual(['a1', 'b1']);
    for (const mailer of mailers) expect(disconnectReceivers(mailer)).toBe(true);
    expect(send(saved, User)).toEqual([]);
  });

  test('holds the very method in its pairs, and can be disconnected by it', () => {
    class Mailer {
      @receiver(saved) onSave(): void {}
    }
    const owner = new Mailer();
    const { onSave } = Mailer.prototype;
    expect(saved.send(null, { n: 1 })[0]?.[0]).toBe(onSave);
    expect(saved.disconnect(onSave, { owner })).toBe(true);
  });

  test('leaves its instances collectable', async () => {
    class Mailer {
      @receiver(saved) onSave(): this {
        return this;
      }
      @receiver(saved) field = (): this => this;
    }
    expect(await isCollected(() => new Mailer())).toBe(true);
    expect(saved.connections).toEqual([]);
    expect(send(saved)).toEqual([]);
  });

  test('is called in the most derived override', () => {
    class Base {
      @receiver(saved) onSave(): string {
        return 'base';
      }
    }
    class Derived extends Base {
      override onSave(): string {
        return `derived of ${super.onSave()}`;
      }
    }
    const derived = new Derived();
    expect(send(saved)).toEqual(['derived of base']);
    disconnectReceivers(derived);
  });

  test('that is decorated again in a subclass has the decorators of the subclass', () => {
    class Base {
      @receiver(saved, { priority: 1 }) onSave(): string {
        return 'base';
      }
    }
    class Middle extends Base {
      override onSave(): string {
        return 'middle';
      }
    }
    class Derived extends Middle {
      @receiver(saved, { priority: 5, sender: User })
      @receiver(deleted)
      override onSave(): string {
        return 'derived';
      }
    }
    const derived = new Derived();
    expect(saved.connections.map(({ sender }) => sender)).toEqual([User]);
    expect(send(saved, User)).toEqual(['derived']);
    expect(send(deleted)).toEqual(['derived']);
    const base = new Base();
    expect(send(saved)).toEqual(['base']);
    disconnectReceivers(derived);
    disconnectReceivers(base);
    expect(saved.connections).toEqual([]);
    expect(deleted.connections).toEqual([]);
  });

  test('takes stacked decorators, a list of signals, and other decorators around and between them', () => {
    const calls: string[] = [];
    const log =
      (name: string) =>
      <This, Args extends unknown[], R>(method: (this: This, ...args: Args) => R) =>
        function (this: This, ...args: Args): R {
          calls.push(name);
          return method.apply(this, args);
        };
    class Audit {
      @log('outer')
      @receiver([saved, deleted], { sender: User })
      @log('inner')
      @receiver(saved)
      audit(): string {
        return 'audited';
      }
    }
    const audit = new Audit();
    expect(send(saved, User)).toEqual(['audited', 'audited']);
    expect(send(deleted, User)).toEqual(['audited']);
    expect(calls).toEqual(['outer', 'inner', 'outer', 'inner', 'outer', 'inner']);
    disconnectReceivers(audit);
  });

  test('may have a symbol or computed name', () => {
    const handle = Symbol('handle');
    class Mailer {
      @receiver(saved) [handle](): string {
        return 'symbol';
      }
      @receiver(saved) 'with spaces'(): string {
        return 'spaces';
      }
    }
    const mailer = new Mailer();
    expect(send(saved)).toEqual(['symbol', 'spaces']);
    disconnectReceivers(mailer);
  });

  test('may be private; equal private names of base and subclass are two methods', () => {
    class Base {
      @receiver(saved) #onSave(): string {
        return 'base';
      }
      call(): string {
        return this.#onSave();
      }
    }
    class Derived extends Base {
      @receiver(saved) #onSave(): string {
        return 'derived';
      }
      callDerived(): string {
        return this.#onSave();
      }
    }
    const derived = new Derived();
    expect(send(saved)).toEqual(['base', 'derived']);
    expect([derived.call(), derived.callDerived()]).toEqual(['base', 'derived']);
    disconnectReceivers(derived);
  });
});

describe('with a decorator that wraps the method', () => {
  test('instance, static and private methods are heard wrapped, above and below receiver()', () => {
    const log: string[] = [];
    // The static methods stay connected: to a signal of this test.
    const wrapped = new Signal();
    const logged = (text: string) => (method: (this: never) => void, _context: ClassMethodDecoratorContext) =>
      function (this: object): void {
        log.push(text);
        Reflect.apply(method, this, []);
      };
    class Mailer {
      @logged('method above') @receiver(wrapped) @logged('method below') method(): void {}
      @logged('static above') @receiver(wrapped) @logged('static below') static method(): void {}
      @logged('private above') @receiver(wrapped) @logged('private below') #method(): void {}
      @logged('static private above') @receiver(wrapped) @logged('static private below') static #static(): void {}
      use(): void {
        this.#method();
        Mailer.#static();
      }
    }
    const mailer = new Mailer();
    wrapped.send(null);
    const heard = ['method', 'static', 'private', 'static private'].flatMap((each) => [
      `${each} above`,
      `${each} below`,
    ]);
    expect(log.sort()).toEqual(heard.sort());
    expect(mailer).toBeDefined();
  });
});

describe('a field that holds a function', () => {
  test('is connected per instance', async () => {
    class Mailer {
      name = 'field';
      @receiver(saved) onSave = (): string => this.name;
      @receiver(saved) #private = (): string => `private ${this.name}`;
      use(): string {
        return this.#private();
      }
    }
    const mailer = new Mailer();
    await collectGarbage();
    expect(send(saved)).toEqual(['field', 'private field']);
    expect(mailer.use()).toBe('private field');
    disconnectReceivers(mailer);
  });

  test('that is decorated again in a subclass replaces the base’s', () => {
    class Base {
      @receiver(saved) onSave = (): string => 'base';
    }
    class Derived extends Base {
      @receiver(saved)
      @receiver(deleted)
      override onSave = (): string => 'derived';
    }
    const derived = new Derived();
    expect(send(saved)).toEqual(['derived']);
    expect(send(deleted)).toEqual(['derived']);
    disconnectReceivers(derived);
  });

  test('must hold a function', () => {
    class Wrong {
      @receiver(saved) onSave = 'text' as unknown as () => void;
    }
    expect(() => new Wrong()).toThrow(/A receiver must be a function .* not "text"/);
    expect(saved.connections).toEqual([]);
  });
});

describe('a static method', () => {
  test('is connected once, strongly, with the class as this', async () => {
    const signal = new Signal('static');
    (() => {
      class Audit {
        static level = 'info';
        @receiver(signal) static audit(): string {
          return this.level;
        }
        @receiver(signal) static #hidden(): string {
          return `hidden ${this.level}`;
        }
        @receiver(signal) static field = (): string => 'field';
        static use(): string {
          return this.#hidden();
        }
      }
      class Derived extends Audit {
        static override level = 'debug';
      }
      expect([new Audit(), new Derived()]).toHaveLength(2);
    })();
    await collectGarbage();
    expect(
      signal
        .send(null)
        .map(([, response]) => response)
        .sort(),
    ).toEqual(['field', 'hidden info', 'info']);
  });

  test('can be disconnected by its function', () => {
    const signal = new Signal();
    class Audit {
      @receiver(signal) static audit(): void {}
    }
    expect(signal.disconnect(Audit.audit)).toBe(true);
    expect(signal.hasListeners()).toBe(false);
  });
});

describe('connectReceivers()', () => {
  test('brings back what was disconnected, and changes nothing that is connected', () => {
    class Mailer {
      @receiver(saved) onSave(): string {
        return 'method';
      }
      @receiver(saved) #hidden(): string {
        return 'private';
      }
      @receiver(saved) field = (): string => 'field';
      use(): string {
        return this.#hidden();
      }
    }
    const mailer = new Mailer();
    const before = [...saved.connections];
    connectReceivers(mailer);
    expect(saved.connections).toEqual(before);
    disconnectReceivers(mailer);
    expect(send(saved)).toEqual([]);
    connectReceivers(mailer);
    expect(send(saved).sort()).toEqual(['field', 'method', 'private']);
    disconnectReceivers(mailer);
  });

  test('does nothing for an object without decorated methods', () => {
    connectReceivers({});
    connectReceivers(Object.create(null) as object);
    expect(saved.connections).toEqual([]);
  });
});

describe('is refused when decorating, not at the first new', () => {
  const decorate = receiver(saved) as unknown as (value: unknown, context: unknown) => unknown;
  const context = { name: 'member', static: false, private: false, addInitializer() {}, metadata: {} };

  test.each(['getter', 'setter', 'accessor', 'class'])('on a %s', (kind) => {
    expect(() => decorate(() => undefined, { ...context, kind })).toThrow(`not on ${kind} member`);
  });

  test('with options that suit no method', () => {
    expect(() => {
      class Wrong {
        @receiver(saved, { sendr: User } as never) onSave(): void {}
      }
      return Wrong;
    }).toThrow(/Unknown option "sendr"/);
    expect(() => {
      class Wrong {
        @receiver(saved, { owner: {} }) onSave(): void {}
      }
      return Wrong;
    }).toThrow(/owner has no place on the method onSave: each instance is what it is called on/);
    expect(() => {
      class Wrong {
        @receiver(saved, { weak: true }) onSave(): void {}
      }
      return Wrong;
    }).toThrow(/weak and owner exclude each other: an owner, such as the instance of a decorated method/);
    expect(() => {
      class Wrong {
        @receiver(saved, { owner: {} }) static onSave(): void {}
      }
      return Wrong;
    }).toThrow(/owner has no place on the static method onSave: its class/);
  });
});

test('a constructor that throws ends the connections of what it has half made with disconnectReceivers(this)', () => {
  const saved = new Signal<object, unknown, unknown>('saved');
  class Mailer {
    readonly outbox: string[];
    constructor(outbox?: string[]) {
      try {
        if (outbox === undefined) throw new Error('no outbox');
        this.outbox = outbox;
      } catch (error) {
        disconnectReceivers(this);
        throw error;
      }
    }
    @receiver(saved) onSave() {
      return this.outbox.push('mail');
    }
  }
  expect(() => new Mailer()).toThrow('no outbox');
  expect(saved.send('orders', {})).toEqual([]);
  const mailer = new Mailer([]);
  expect(saved.send('orders', {})).toHaveLength(1);
  expect(mailer.outbox).toEqual(['mail']);
});
