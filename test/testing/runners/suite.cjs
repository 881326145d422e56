// The helpers of tocsin/testing under any test runner, from the built package: what `test` registers passes in each.
const assert = require('node:assert/strict');
const { setTimeout: pause } = require('node:timers/promises');
const { postSave, Signal } = require('tocsin');
const { expectClean, isolate, mockSender, mute, muteDuring, record } = require('tocsin/testing');
const { matchers } = require('tocsin/testing/matchers');

/** @param {(name: string, run: () => unknown) => void} test @param {((value: unknown) => any) | undefined} expect */
module.exports = function suite(test, expect) {
  test('record() and a mocked sender', () => {
    const User = mockSender('User', { email: 'ada@example.org' });
    const recording = record(postSave, { sender: User });
    postSave.send(User, { instance: new User(), created: true });
    assert.equal(recording.last.args.instance.email, 'ada@example.org');
    recording[Symbol.dispose]();
  });

  test('next() across awaits', async () => {
    const saved = new Signal('saved');
    const recording = record(saved);
    void pause(2).then(() => saved.send('x', { id: 1 }));
    assert.deepEqual((await recording.next()).args, { id: 1 });
    recording[Symbol.dispose]();
  });

  test('mute(), isolate() and expectClean() leave nothing behind', () => {
    const saved = new Signal('saved');
    const clean = expectClean(saved);
    const isolated = isolate(saved);
    saved.connect(() => 'heard');
    const muted = mute(saved);
    assert.equal(saved.send('x', {}).length, 0);
    muted[Symbol.dispose]();
    assert.equal(saved.send('x', {}).length, 1);
    isolated[Symbol.dispose]();
    clean[Symbol.dispose]();
    assert.equal(saved.send('x', {}).length, 0);
  });

  // parallel tests of one process: each sees its own
  for (const name of ['one', 'two', 'three']) {
    test(`muteDuring() in parallel: ${name}`, async () => {
      const saved = new Signal('saved');
      saved.connect(() => 'heard');
      const send = () => pause(2).then(() => saved.send(name, {}).length);
      assert.deepEqual(await Promise.all([send(), muteDuring([saved], send)]), [1, 0]);
    });
  }

  if (expect === undefined) return;
  expect.extend(matchers);
  test('toHaveBeenSent()', () => {
    const saved = new Signal('saved');
    const recording = record(saved);
    saved.send('x', { id: 1 });
    expect(saved).toHaveBeenSent({ sender: 'x', times: 1, with: { id: expect.any(Number) } });
    assert.throws(() => expect(saved).toHaveBeenSent({ with: { id: 2 } }), /id is 1, not 2/);
    recording[Symbol.dispose]();
  });
};
