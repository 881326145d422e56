/**
 * A small shop, on a real database and a real file system: `npm start`. Each scene says what it did and checks that it
 * came true; the process fails if one did not.
 */
import 'reflect-metadata';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { DataSource } from 'typeorm';
import { inspect, toHtml, toText, trace, type Trace } from 'tocsin/tracing';
import { attachSignals } from 'tocsin/typeorm';
import './origins.ts';
import { Customer, Product, Profile, User } from './entities.ts';
import { data, database, images, outbox, page } from './places.ts';
import './signals.ts';

// every run begins with an empty shop
await rm(data, { recursive: true, force: true });
await mkdir(images, { recursive: true });

const shop = new DataSource({
  type: 'sqljs',
  location: database,
  autoSave: true,
  entities: [User, Profile, Customer, Product],
  synchronize: true,
});
attachSignals(shop);
await shop.initialize();
const { manager } = shop;
let registration: Trace | undefined;

await scene(
  'A user registers: a welcome mail, once the registration is committed (postSave, afterCommit)',
  async () => {
    ({ trace: registration } = await trace(() =>
      manager.save(manager.create(User, { name: 'Ada', email: 'ada@example.org' })),
    ));
    const mail = await readFile(join(outbox, 'ada@example.org.eml'), 'utf8');
    check(
      `${here(outbox)}/ada@example.org.eml says "${/^Subject: .*$/m.exec(mail)?.[0] ?? '?'}"`,
      /^To: Ada <ada@example\.org>$/m.test(mail) && mail.includes('Hello Ada'),
    );
  },
);

await scene("A customer's name is capitalised before it is saved (preSave)", async () => {
  const { id } = await manager.save(manager.create(Customer, { name: 'grace brewster-hopper' }));
  const [row] = await shop.query<{ name: string }[]>('SELECT name FROM customer WHERE id = ?', [id]);
  check(`the row in ${here(database)} reads "${row?.name ?? ''}"`, row?.name === 'Grace Brewster-Hopper');
});

await scene('A product is deleted: its image file goes with it (postDelete, afterCommit)', async () => {
  const file = join(images, 'lamp.png');
  await writeFile(file, 'a picture of a lamp');
  const lamp = await manager.save(manager.create(Product, { title: 'Lamp', image: 'lamp.png' }));
  check(`${here(file)} is there`, existsSync(file));
  await manager
    .transaction(async (tx) => {
      await tx.remove(await tx.findOneByOrFail(Product, { id: lamp.id }));
      throw new Error('the customer changed their mind');
    })
    .catch(() => undefined);
  check(
    'the deletion was rolled back: file and row are still there',
    existsSync(file) && (await manager.countBy(Product, { id: lamp.id })) === 1,
  );
  const { id } = lamp;
  await manager.remove(lamp);
  check(
    'the deletion was committed: file and row are gone',
    !existsSync(file) && (await manager.countBy(Product, { id })) === 0,
  );
});

await scene('A new user gets a profile in the same transaction (postSave, tx)', async () => {
  const user = await manager.save(manager.create(User, { name: 'Barbara', email: 'barbara@example.org' }));
  const profile = await manager.findOne(Profile, { where: { user: { id: user.id } } });
  check(`user ${String(user.id)} has the profile "${profile?.nickname ?? '?'}"`, profile?.nickname === 'barbara');
});

await scene('... and if the profile cannot be created, there is no user and no mail either', async () => {
  const before = await counts();
  const error = await manager.save(manager.create(User, { name: '', email: 'nobody@example.org' })).then(
    () => undefined,
    (reason: unknown) => reason as Error,
  );
  check(`save() rejected: "${error?.message ?? 'it did not'}"`, error !== undefined);
  const after = await counts();
  check(
    `users, profiles and mails are ${after} as before`,
    before === after && !(await readdir(outbox)).includes('nobody@example.org.eml'),
  );
});

await shop.destroy();
if (registration !== undefined) {
  console.log(`\nWhat the first registration did:\n${toText(registration)}`);
  await writeFile(page, toHtml({ listings: inspect(), trace: registration }, { title: 'examples/shop' }));
  console.log(`\nThe same, and who listens, as a page: ${here(page)}`);
}
console.log(process.exitCode === undefined ? '\nEvery scene came true.' : '\nNot every scene came true.');

async function scene(title: string, play: () => Promise<void>): Promise<void> {
  console.log(`\n${title}`);
  try {
    await play();
  } catch (error) {
    check(String(error), false);
  }
}

function check(what: string, cameTrue: boolean): void {
  console.log(`  ${cameTrue ? '✓' : '✗'} ${what}`);
  if (!cameTrue) process.exitCode = 1;
}

async function counts(): Promise<string> {
  return [await manager.count(User), await manager.count(Profile), (await readdir(outbox)).length].join(', ');
}

function here(path: string): string {
  return relative(process.cwd(), path);
}
