/** The entities of MikroORM's equivalence programs. */
import { Cascade, Collection, EntitySchema } from '@mikro-orm/core';

export class Address {
  city!: string;
  zip?: string | null;
}
class Person {
  id!: number;
  name!: string;
  boss?: Person | null;
  tasks = new Collection<Task>(this);
  tags = new Collection<Tag>(this);
  passport?: Passport | null;
  greeted?: string;
  greet(): void {
    this.greeted = `hello ${this.name}`;
  }
}
class Task {
  id!: number;
  person?: Person | null;
}
class Tag {
  id!: number;
  people = new Collection<Person>(this);
}
class Seat {}
class Booking {}
class Passport {
  owner!: Person;
}
class Animal {}
class Dog extends Animal {}
class Vehicle {}
class Car extends Vehicle {}

export const CLASSES = { Person, Task, Tag, Seat, Booking, Passport, Animal, Dog, Vehicle, Car } as const;
export type Name = keyof typeof CLASSES;

type Define = (definition: unknown) => EntitySchema<object>;
const define: Define = (definition) => new EntitySchema(definition as never);

const id = { type: 'integer', primary: true };
const orderBy = { id: 'asc' };
const text = { type: 'string', length: 10, nullable: true };

/** Defaults, keys of one column, of two, and of relations, a version, hooks of its own, inheritance of both kinds. */
export const entities: readonly EntitySchema<object>[] = [
  define({
    class: Address,
    embeddable: true,
    properties: { city: { type: 'string', length: 10 }, zip: text },
  }),
  define({
    class: Person,
    tableName: 'people',
    hooks: { beforeCreate: ['greet'], beforeUpdate: ['greet'], onInit: [] },
    properties: {
      id,
      name: { type: 'string', length: 10 },
      email: { ...text, unique: true },
      age: { type: 'integer', default: 7 },
      role: { type: 'string', length: 10, onCreate: () => 'user' },
      settings: { type: 'json', nullable: true },
      born: { type: 'datetime', nullable: true },
      writes: { type: 'integer', nullable: true, onUpdate: ({ writes }: { writes?: number }) => (writes ?? 0) + 1 },
      version: { type: 'integer', version: true },
      greeted: { type: 'string', nullable: true },
      address: { kind: 'embedded', entity: () => Address, nullable: true },
      boss: { kind: 'm:1', entity: () => Person, nullable: true },
      tasks: {
        kind: '1:m',
        entity: () => Task,
        mappedBy: 'person',
        cascade: [Cascade.ALL],
        orphanRemoval: true,
        orderBy,
      },
      tags: { kind: 'm:n', entity: () => Tag, inversedBy: 'people', pivotTable: 'people_tags', orderBy },
      passport: { kind: '1:1', entity: () => Passport, mappedBy: 'owner', nullable: true, orphanRemoval: true },
    },
  }),
  define({
    class: Task,
    tableName: 'tasks',
    filters: { open: { name: 'open', cond: { title: { $ne: 'done' } }, default: true } },
    properties: {
      id,
      title: text,
      note: { type: 'text', nullable: true, lazy: true },
      done: { type: 'boolean', default: false },
      person: { kind: 'm:1', entity: () => Person, nullable: true, inversedBy: 'tasks' },
    },
  }),
  define({
    class: Tag,
    tableName: 'tags',
    properties: {
      id,
      name: { type: 'string', length: 10, unique: true },
      hits: { type: 'integer', nullable: true },
      people: { kind: 'm:n', entity: () => Person, mappedBy: 'tags', orderBy },
    },
  }),
  define({
    class: Seat,
    tableName: 'seats',
    properties: {
      line: { type: 'integer', primary: true },
      place: { type: 'integer', primary: true },
      guest: text,
      price: { type: 'decimal', precision: 8, scale: 2, nullable: true },
    },
  }),
  define({
    class: Booking,
    tableName: 'bookings',
    properties: {
      person: { kind: 'm:1', entity: () => Person, primary: true },
      tag: { kind: 'm:1', entity: () => Tag, primary: true },
      note: text,
    },
  }),
  define({
    class: Passport,
    tableName: 'passports',
    properties: {
      owner: { kind: '1:1', entity: () => Person, primary: true, owner: true, inversedBy: 'passport' },
      country: text,
    },
  }),
  define({
    class: Animal,
    tableName: 'animals',
    inheritance: 'tpt',
    properties: { id, name: text, version: { type: 'integer', version: true } },
  }),
  define({ class: Dog, tableName: 'dogs', extends: Animal, properties: { breed: text } }),
  define({
    class: Vehicle,
    tableName: 'vehicles',
    discriminatorColumn: 'kind',
    discriminatorMap: { vehicle: 'Vehicle', car: 'Car' },
    properties: { id, wheels: { type: 'integer', nullable: true } },
  }),
  define({ class: Car, extends: Vehicle, properties: { doors: { type: 'integer', nullable: true } } }),
];

/** Every table, in an order in which rows can be deleted. */
export const TABLES = [
  ...['people_tags', 'bookings', 'passports', 'tasks', 'people', 'tags', 'seats', 'dogs', 'animals', 'vehicles'],
];
