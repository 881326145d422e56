import { test } from 'vitest';
import { openMikroOrm } from './mikro-orm-session.ts';
import { postSave } from '../../../src/models.ts';
test('x', async () => {
  const s = await openMikroOrm('sqlite', 'zzz');
  const steps = JSON.parse(process.env.STEPS as string);
  for (const attach of [true, false]) {
    await s.reset();
    if (attach) { await s.attach(JSON.parse(process.env.OPTS ?? '{}')); }
    const c = postSave.connect(async () => undefined);
    for (const step of steps) {
      try { console.log('=>', await s.perform(step)); } catch (e) { console.log('error', (e as Error).stack); }
    }
    console.log(s.hooks(), s.statements());
    await s.detach();
    c.disconnect();
    console.log(await s.rows());
  }
  await s.close();
});
