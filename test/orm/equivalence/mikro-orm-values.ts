/** The values and conditions of MikroORM's equivalence programs. */
import fc from 'fast-check';
import type { Name } from './mikro-orm-entities.ts';

export const some = <T>(...values: readonly T[]): fc.Arbitrary<T> => fc.constantFrom<T[]>(...values);
export const maybe = <T extends object>(fields: { [K in keyof T]: fc.Arbitrary<T[K]> }, ...required: (keyof T)[]) =>
  fc.record(fields, { requiredKeys: required });

export const id = fc.integer({ min: 1, max: 4 });
export const held = fc.integer({ min: 0, max: 5 });
const word = some<unknown>('a', 'b', 'c', null);
const number = fc.oneof({ weight: 4, arbitrary: fc.integer({ min: 0, max: 3 }) }, some<unknown>(null));
export const email = some<unknown>('a@x', 'b@x', null);
export const settings = some<unknown>({ theme: 'dark' }, { theme: 'light', more: { list: [1] } }, null);
const address = some<unknown>({ city: 'Paris' }, { city: 'Rome', zip: '1' }, null);
const date = some<unknown>({ '@date': '2020-01-01T00:00:00Z' }, { '@date': '2021-01-01T00:00:00Z' }, null);
export const one = (name: Name): fc.Arbitrary<unknown> =>
  fc.oneof(
    { weight: 3, arbitrary: held.map((index) => ({ '@of': [name, index] })) },
    id.map((key) => ({ '@reference': [name, key] })),
  );
const newTask = maybe({ title: some('x', 'done'), note: word, done: fc.boolean() });

/** What `em.create()` is given. */
export const NEW: Readonly<Record<Name, fc.Arbitrary<object>>> = {
  Person: maybe(
    {
      ...{ id, name: some('a', 'b', 'c', 'too long for it'), email, age: number, settings, address, born: date },
      boss: one('Person'),
      tasks: fc.array(newTask, { maxLength: 2 }),
      tags: fc.array(one('Tag'), { maxLength: 1 }),
      passport: some({ country: 'x' }),
    },
    'name',
  ),
  Task: maybe({ id, title: some('x', 'y', 'done'), note: word, done: fc.boolean(), person: one('Person') }),
  Tag: maybe({ id, name: some('a', 'b', 'c', 'd'), hits: number }, 'name'),
  Seat: maybe({ line: id, place: id, guest: word, price: some<unknown>('1.50', '2', null) }, 'line', 'place'),
  Booking: maybe({ person: one('Person'), tag: one('Tag'), note: word }, 'person', 'tag'),
  Passport: maybe({ owner: one('Person'), country: word }, 'owner'),
  Animal: maybe({ id, name: word }),
  Dog: maybe({ id, name: word, breed: word }),
  Vehicle: maybe({ id, wheels: number }),
  Car: maybe({ id, wheels: number, doors: number }),
};
/** What past the unit of work is given: no entities. */
export const ROW: Readonly<Record<Name, fc.Arbitrary<object>>> = {
  Person: maybe(
    { id, name: some('a', 'b', 'c'), email, age: number, role: some('admin'), settings, born: date, boss: id, address },
    'name',
  ),
  Task: maybe({ id, title: some('x', 'y', 'done'), note: word, done: fc.boolean(), person: id }),
  Tag: maybe({ id, name: some('a', 'b', 'c', 'd'), hits: number }, 'name'),
  Seat: maybe({ line: id, place: id, guest: word, price: some<unknown>('1.50', null) }, 'line', 'place'),
  Booking: maybe({ person: id, tag: id, note: word }, 'person', 'tag'),
  Passport: maybe({ owner: id, country: word }, 'owner'),
  Animal: maybe({ id, name: word }),
  Dog: maybe({ id, name: word, breed: word }),
  Vehicle: maybe({ id, wheels: number }),
  Car: maybe({ id, wheels: number, doors: number }),
};
export const VALUES: Readonly<Record<Name, fc.Arbitrary<object>>> = {
  Person: maybe({
    ...{ name: some('x', 'y'), email, born: date, settings, role: some('admin'), boss: id, address },
    age: fc.oneof(number, some<unknown>({ '@raw': 'age + 1' })),
    version: some(7),
    nothing: some(1),
  }),
  Task: maybe({ title: some('z', 'done'), note: word, done: fc.boolean(), person: id }),
  Tag: maybe({ name: some('a', 'z'), hits: fc.oneof(number, some<unknown>({ '@raw': 'hits + 1' })), id }),
  Seat: maybe({ guest: word, price: some<unknown>('3.25', null), place: id }),
  Booking: maybe({ note: word }),
  Passport: maybe({ country: word }),
  Animal: maybe({ name: word }),
  Dog: maybe({ name: word, breed: word }),
  Vehicle: maybe({ wheels: number }),
  Car: maybe({ wheels: number, doors: number }),
};
const common = some<unknown>({}, { id: [] }, { id: { $in: [1, 2] } }, { id: { $gt: 1 } }, { nothing: 1 }, [1, 2]);
const key = fc.oneof(id, fc.record({ id }));
export const WHERE: Readonly<Record<Name, fc.Arbitrary<unknown>>> = {
  Person: fc.oneof(
    key,
    common,
    fc.record({ name: some('a', 'b') }),
    fc.record({ email }),
    fc.record({ boss: id }),
    some<unknown>(
      { $or: [{ id: 1 }, { name: 'b' }] },
      { $not: { id: 1 } },
      { name: { $like: '%' } },
      { age: { $gte: 2 }, name: 'a' },
      { tags: 1 },
      { tasks: { title: 'x' } },
      { boss: { name: 'a' } },
      { address: { city: 'Paris' } },
      { version: 1 },
      { settings: { theme: 'dark' } },
      { '@raw': '1 = 1' },
      null,
    ),
  ),
  Task: fc.oneof(key, common, fc.record({ person: id }), fc.record({ title: some('x', 'done') })),
  Tag: fc.oneof(key, common, fc.record({ name: some('a', 'b') }), some<unknown>({ people: 1 })),
  Seat: fc.oneof(
    fc.record({ line: id }),
    fc.record({ line: id, place: id }),
    some<unknown>({}, [1, 1], { guest: 'a' }, { $and: [{ line: 1 }, { place: 1 }] }),
  ),
  Booking: fc.oneof(fc.record({ person: id }), fc.record({ person: id, tag: id }), some<unknown>({}, [1, 1])),
  Passport: fc.oneof(fc.record({ owner: id }), fc.record({ owner: fc.record({ id }) }), some<unknown>({}, 1)),
  Animal: fc.oneof(key, common, fc.record({ name: some('a') })),
  Dog: fc.oneof(key, common, fc.record({ breed: some('a', 'b') }), fc.record({ name: some('a') })),
  Vehicle: fc.oneof(key, common, fc.record({ wheels: id })),
  Car: fc.oneof(key, common, fc.record({ doors: id }), fc.record({ wheels: id })),
};
export const UNIQUE: Readonly<Partial<Record<Name, readonly string[]>>> = { Person: ['email'], Tag: ['name'] };
const ORDERS: Readonly<Partial<Record<Name, object>>> = {
  Seat: { line: 'asc', place: 'asc' },
  Booking: { person: 'asc', tag: 'asc' },
  Passport: { owner: 'asc' },
};
/** Populating all never ends where a person is its own boss. */
export const POPULATE: Readonly<Partial<Record<Name, readonly string[]>>> = {
  Person: ['tasks', 'tags'],
  Task: ['person'],
  Tag: ['people'],
  Booking: ['person'],
};
export const ORDER = (name: Name): object => ORDERS[name] ?? { id: 'asc' };
