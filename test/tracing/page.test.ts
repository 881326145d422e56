import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { Signal } from '../../src/index.ts';
import { inspect, recordOrigins, toHtml, trace } from '../../src/tracing.ts';

const browser = ['chromium', 'chromium-browser', 'google-chrome'].find(
  (name) => spawnSync('which', [name]).status === 0,
);
const folder = mkdtempSync(join(tmpdir(), 'tocsin-page-'));
afterAll(() => {
  rmSync(folder, { recursive: true });
});

/** What a real browser makes of the page, after `script` has run in it; its attributes of `body` as data. */
function open(page: string, script: string): { html: string; data: Record<string, string> } {
  const file = join(folder, 'page.html');
  const end = page.lastIndexOf('</script>');
  writeFileSync(
    file,
    `${page.slice(0, end)};${script}${page.slice(end)}`.replace(
      '<script type',
      "<script>window.alert = () => { document.title = 'ALERT' }</script><script type",
    ),
  );
  const html = execFileSync(
    browser ?? '',
    ['--headless', '--no-sandbox', '--disable-gpu', '--dump-dom', `file://${file}`],
    { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'], maxBuffer: 2 ** 28 },
  );
  const body = /<body[^>]*>/.exec(html)?.[0] ?? '';
  return {
    html,
    data: Object.fromEntries(
      [...body.matchAll(/data-([\w-]+)="([^"]*)"/g)].map(([, name = '', value = '']) => [name, value]),
    ),
  };
}

describe.runIf(browser)('the page, in a browser', () => {
  test('shows a trace level by level, names as text, and filters who listens', () => {
    const hostile = '<script>alert(1)</script><img src=x onerror=alert(2)>';
    const [outer, inner] = [new Signal<object>(hostile), new Signal<object>('inner')];
    const origins = recordOrigins();
    outer.connect(
      function first() {
        inner.send(hostile, {});
      },
      { sender: hostile },
    );
    inner.connect(function leaf() {
      /* for its name */
    });
    origins[Symbol.dispose]();
    const { trace: traced } = trace(() => outer.send(hostile, {}));
    const page = toHtml({ listings: [inspect(outer), inspect(inner)], trace: traced }, { title: hostile });
    const { html, data } = open(
      page,
      `
      const seen = () => [...document.querySelectorAll('.what')].map((each) => each.textContent.trim().split(' ')[1] ?? '').length
      const data = document.body.dataset
      data.closed = seen()
      for (let level = 0; level < 5; level++) for (const button of document.querySelectorAll('button.row[aria-expanded=false]')) button.click()
      data.opened = seen()
      nav.children[1].click()
      data.cards = document.querySelectorAll('.card').length
      filter.value = 'leaf'; filter.oninput()
      data.filtered = document.querySelectorAll('.card').length
      filter.value = 'page.test'; filter.oninput()
      data.byfile = document.querySelectorAll('.receiver').length
      filter.value = 'nothing like it'; filter.oninput()
      data.none = main.textContent`,
    );
    expect(data).toMatchObject({
      closed: '1',
      opened: '4',
      cards: '2',
      filtered: '1',
      byfile: '2',
      none: 'Nothing fits.',
    });
    expect(html).not.toContain('<title>ALERT');
    expect(html).not.toMatch(/<img/);
  }, 60_000);

  test('a thousand receivers and ten thousand sends are drawn a page at a time', () => {
    const signal = new Signal<object>('big');
    for (let index = 0; index < 1000; index++) signal.connect(() => index, { sender: `sender ${String(index)}` });
    const { trace: traced } = trace(() => {
      for (let index = 0; index < 10_000; index++) signal.send(`sender ${String(index)}`, {});
    });
    const { data } = open(
      toHtml({ listings: [inspect(signal)], trace: traced }),
      `
      const data = document.body.dataset
      data.first = document.querySelectorAll('.send').length
      document.querySelector('.more').click()
      data.more = document.querySelectorAll('.send').length
      nav.children[1].click()
      data.receivers = document.querySelectorAll('.receiver').length
      filter.value = 'sender 77'; filter.oninput()
      data.found = document.querySelectorAll('.receiver').length`,
    );
    expect(data).toMatchObject({ first: '200', more: '400', receivers: '200', found: '19' });
  }, 60_000);
});
