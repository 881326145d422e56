import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, inject, onTestFinished, test } from 'vitest';
import { installed, npm } from './tools.ts';

/**
 * ORMs in versions that an adapter may not support. An app that has one of them and wants the core only must be able to
 * install tocsin: package managers enforce the range of an optional peer for whoever has that peer.
 */
const NEIGHBOURS = {
  mongoose: '7.8.13',
  '@prisma/client': '6.9.0',
  'drizzle-orm': '0.44.7',
  '@mikro-orm/core': '6.6.7',
  sequelize: '6.35.2',
  kysely: '0.27.6',
};

const PROGRAM = `
import { postSave, receiver, Signal } from 'tocsin';
import { record } from 'tocsin/testing';
class User { name = 'Ada'; }
const pizzaDone = new Signal('pizzaDone');
receiver(pizzaDone)((sender, { size }) => size);
const recording = record(postSave);
postSave.send(User, { instance: new User(), created: true });
console.log(pizzaDone.send('Napoli', { size: 30 })[0][1], recording.count);
`;

const MANAGERS: Readonly<Record<string, (folder: string, tarball: string) => void>> = {
  npm: (folder, tarball) => {
    npm(['install', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error', tarball], folder);
  },
  pnpm: (folder, tarball) => {
    const pnpm = join(installed('pnpm'), 'node_modules', 'pnpm', 'bin', 'pnpm.cjs');
    const options = ['--ignore-scripts', '--strict-peer-dependencies', '--store-dir', join(folder, '.store')];
    execFileSync(process.execPath, [pnpm, 'add', ...options, tarball], { cwd: folder, stdio: 'pipe' });
  },
};

describe.each(Object.keys(MANAGERS))('%s installs the tarball beside', (manager) => {
  test.each(Object.entries(NEIGHBOURS))('%s %s, and the core works', (name, version) => {
    const folder = mkdtempSync(join(tmpdir(), 'tocsin-neighbour-'));
    onTestFinished(() => {
      rmSync(folder, { recursive: true });
    });
    writeFileSync(
      join(folder, 'package.json'),
      JSON.stringify({ private: true, type: 'module', dependencies: { [name]: version } }),
    );
    MANAGERS[manager]?.(folder, inject('tarball'));
    writeFileSync(join(folder, 'main.js'), PROGRAM);
    expect(execFileSync(process.execPath, ['main.js'], { cwd: folder, encoding: 'utf8' })).toBe('30 1\n');
  });
});
