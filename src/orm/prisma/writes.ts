import { preDelete } from '../../models.ts';
import { deleteRow, insertRows, prepareUpdate, type Row } from '../rows.ts';
import { type Args, type Client, executeUnseen, fieldsOf } from './client.ts';
import { writeEach } from './individual.ts';
import { asCalled, type PlacedWrite, readUnlessRefused } from './placed-write.ts';
import type { Selection } from './selection.ts';
import { columnsOf, updateValuesOf } from './values.ts';
import type { WritePlan } from './write-plan.ts';

/** Do a write that sends signals for its rows. */
export async function writeRows(plan: WritePlan, place: PlacedWrite): Promise<unknown> {
  const { method, args } = plan;
  const { client, options } = place;
  switch (method) {
    case 'create':
      return insert(plan, place, args.data ?? {}, (data) => ({ ...args, data }));
    case 'createMany':
    case 'createManyAndReturn':
      return insertMany(plan, place);
    case 'update': {
      if (!options.beforeImage) return update(plan, place, undefined, args.data as Row, (data) => ({ ...args, data }));
      const before = await readOne(plan, place);
      // There is no such row: the error is Prisma's.
      if (before === undefined) return place.untouched();
      return update(plan, place, before, args.data as Row, (data) => ({ ...args, data }));
    }
    case 'upsert': {
      await lockRow(client, plan);
      const before = await readOne(plan, place);
      return before === undefined
        ? insert(plan, place, args.create, (create) => ({ ...args, create }))
        : update(plan, place, before, args.update as Row, (data) => ({ ...args, update: data }));
    }
    case 'delete': {
      const isRead = preDelete.hasListeners(plan.model);
      const before = isRead ? await readOne(plan, place) : undefined;
      if (isRead && before === undefined) return place.untouched();
      const fields = fieldsOf(client, plan.model);
      const outcome = new Outcome(plan, place);
      await deleteRow(place.send, plan.model, before, async () => columnsOf(await outcome.of(args), fields));
      return outcome.result;
    }
    case 'updateMany':
    case 'deleteMany':
    case 'updateManyAndReturn': {
      const rows = ((await readUnlessRefused(place, 'findMany', args.where ?? {})) ?? []) as Row[];
      const fields = fieldsOf(client, plan.model);
      const result = await writeEach(
        plan,
        place,
        rows.map((row) => columnsOf(row, fields)),
      );
      return result === undefined || rows.length === 0 ? place.untouched() : result;
    }
  }
}

async function insert(
  plan: WritePlan,
  place: PlacedWrite,
  values: Args['data'],
  argsWith: (values: Row) => Args,
): Promise<unknown> {
  const fields = fieldsOf(place.client, plan.model);
  const given = columnsOf(values as Row, fields);
  const outcome = new Outcome(plan, place);
  await insertRows(place.send, plan.model, [given], async ([draft = {}]) => {
    const changed = differing(given, draft);
    const args = changed === undefined ? plan.args : argsWith({ ...(values as Row), ...changed });
    return [columnsOf(await outcome.of(args), fields)];
  });
  return outcome.result;
}

async function insertMany(plan: WritePlan, place: PlacedWrite): Promise<unknown> {
  const { model, method, args, selection } = plan;
  const fields = fieldsOf(place.client, model);
  const given = [args.data as Row | readonly Row[]].flat();
  let result: unknown;
  await insertRows(place.send, model, given, async (drafts) => {
    const isChanged = drafts.some((draft, index) => differing(given[index] as Row, draft) !== undefined);
    const changed = isChanged ? { ...args, data: drafts } : args;
    const rows = (await place
      // createMany() itself tells only how many.
      .write((selection as Selection).widen(changed), { action: 'createManyAndReturn' })
      .catch((error: unknown) => asCalled(error, isChanged, place))) as Row[];
    result = method === 'createMany' ? { count: rows.length } : rows.map((row) => (selection as Selection).narrow(row));
    return inOrderOf(
      drafts,
      rows.map((row) => columnsOf(row, fields)),
    );
  });
  return result;
}

async function update(
  plan: WritePlan,
  place: PlacedWrite,
  before: Row | undefined,
  data: Row,
  argsWith: (data: Row) => Args,
): Promise<unknown> {
  const fields = fieldsOf(place.client, plan.model);
  const key = columnsOf(plan.args.where ?? {}, fields);
  const intent = { before, key, ...updateValuesOf(data, fields) };
  const { changed, written } = await prepareUpdate(place.send, plan.model, intent);
  const outcome = new Outcome(plan, place);
  const isChanged = Object.keys(changed).length > 0;
  await written(columnsOf(await outcome.of(isChanged ? argsWith({ ...data, ...changed }) : plan.args), fields));
  return outcome.result;
}

/** The caller's operation, with all of the row read, and what is asked for of that. */
class Outcome {
  result: unknown = undefined;
  private readonly plan: WritePlan;
  private readonly place: PlacedWrite;

  constructor(plan: WritePlan, place: PlacedWrite) {
    this.plan = plan;
    this.place = place;
  }

  async of(args: Args): Promise<Row> {
    const { selection, path, args: asked } = this.plan;
    const { widen, narrow } = selection as Selection;
    const row = (await this.place
      .write(widen(args))
      .catch((error: unknown) => asCalled(error, args !== asked, this.place))) as Row;
    this.result = path.reduce<unknown>((value, name) => value && (value as Row)[name], narrow(row));
    return row;
  }
}

/** The row that a write is of; undefined if there is none, or if Prisma refuses the condition. */
async function readOne({ model, args }: WritePlan, place: PlacedWrite): Promise<Row | undefined> {
  const row = (await readUnlessRefused(place, 'findUnique', args.where as Row)) as Row | null | undefined;
  return row === null || row === undefined ? undefined : columnsOf(row, fieldsOf(place.client, model));
}

/** Let upserts of one row take turns: each then knows whether there is a row. SQLite has one writer at a time. */
async function lockRow(client: Client, { model, args }: WritePlan): Promise<void> {
  if (client._activeProvider !== 'postgresql') return;
  const row = JSON.stringify(args.where, (_name, value: unknown) =>
    typeof value === 'bigint' ? String(value) : value,
  );
  await executeUnseen(client, 'select pg_advisory_xact_lock(hashtextextended($1, 0))', `tocsin ${model} ${row}`);
}

/** What `preSave` has changed; undefined if nothing. */
function differing(given: Row, draft: Row): Row | undefined {
  const names = Object.keys(draft).filter((name) => !Object.is(given[name], draft[name]));
  return names.length === 0 ? undefined : Object.fromEntries(names.map((name) => [name, draft[name]]));
}

/** The rows in the order of the drafts: where rows have other columns, Prisma inserts them by several statements. */
function inOrderOf(drafts: readonly Row[], rows: readonly Row[]): Row[] {
  const left = [...rows];
  const matched = drafts.map((draft) => {
    const at = left.findIndex((row) => Object.keys(draft).every((name) => mayBe(draft[name], row[name])));
    return at === -1 ? undefined : left.splice(at, 1)[0];
  });
  return matched.includes(undefined) ? [...rows] : (matched as Row[]);
}

function mayBe(given: unknown, stored: unknown): boolean {
  if (given === undefined || typeof given === 'object' || typeof stored === 'object') return true;
  return typeof given !== typeof stored || given === stored;
}
