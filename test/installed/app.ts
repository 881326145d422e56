import { execFileSync, type ExecFileSyncOptions, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { afterAll, inject } from 'vitest';

/** An app of a user: a folder with tocsin in its node_modules, as npm installs the tarball. */
export class App {
  readonly folder: string;

  constructor(files: Readonly<Record<string, string>> = {}) {
    this.folder = mkdtempSync(join(tmpdir(), 'tocsin-app-'));
    cpSync(join(inject('app'), 'node_modules'), join(this.folder, 'node_modules'), { recursive: true });
    this.write({ 'package.json': '{ "private": true }', ...files });
    afterAll(() => {
      rmSync(this.folder, { recursive: true });
    });
  }

  path(...parts: readonly string[]): string {
    return join(this.folder, ...parts);
  }

  write(files: Readonly<Record<string, string>>): void {
    for (const [name, content] of Object.entries(files)) {
      mkdirSync(dirname(this.path(name)), { recursive: true });
      writeFileSync(this.path(name), content);
    }
  }

  /** Copy the files of a folder beside this file. */
  copy(folder: string, only: readonly string[] = readdirSync(resolve(import.meta.dirname, folder))): void {
    for (const name of only) cpSync(resolve(import.meta.dirname, folder, name), this.path(name), { recursive: true });
  }

  read(name: string): string {
    return readFileSync(this.path(name), 'utf8');
  }

  /** What a command prints; throws with everything that it said if it fails. */
  run(command: string, args: readonly string[], options: ExecFileSyncOptions = {}): string {
    return execFileSync(command, args, {
      cwd: this.folder,
      stdio: 'pipe',
      env: { ...process.env, NODE_OPTIONS: '', NODE_PATH: '' },
      ...options,
      encoding: 'utf8',
    });
  }

  /** The same, of a command that may fail. */
  try(
    command: string,
    args: readonly string[],
    env: NodeJS.ProcessEnv = { ...process.env, NODE_OPTIONS: '' },
  ): { readonly status: number | null; readonly output: string } {
    const { status, stdout, stderr } = spawnSync(command, args, { cwd: this.folder, encoding: 'utf8', env });
    return { status, output: stdout + stderr };
  }
}
