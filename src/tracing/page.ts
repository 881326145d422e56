/** The look of the page that `toHtml()` makes. */
export const STYLE = `
:root { color-scheme: light dark; --ink: light-dark(#1d2430, #e4e8ef); --soft: light-dark(#68748a, #93a0b8); --paper: light-dark(#f6f7f9, #14171d);
  --card: light-dark(#fff, #1c2129); --line: light-dark(#dfe3ea, #2d3441); --accent: light-dark(#b4451f, #ff9466); --bad: light-dark(#c0182b, #ff7a85) }
* { box-sizing: border-box }
body { margin: 0; background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui, sans-serif }
header { position: sticky; top: 0; z-index: 1; display: flex; flex-wrap: wrap; gap: .75rem 1.25rem; align-items: center; padding: .75rem 1.5rem; background: var(--card); border-bottom: 1px solid var(--line) }
h1 { margin: 0; font-size: 1.1rem }
input { flex: 1; min-width: 12rem; max-width: 28rem; padding: .4rem .7rem; font: inherit; color: inherit; background: var(--paper); border: 1px solid var(--line); border-radius: .5rem }
nav button { padding: .3rem .8rem; font: inherit; color: var(--soft); background: none; border: 0; border-radius: .5rem; cursor: pointer }
nav button[aria-pressed=true] { color: var(--ink); background: var(--paper) }
main { max-width: 78rem; margin: 0 auto; padding: 1.5rem }
.signals { columns: 24rem; column-gap: 1rem }
.card { break-inside: avoid; margin: 0 0 1rem; padding: .9rem 1.1rem; background: var(--card); border: 1px solid var(--line); border-left: 3px solid var(--accent); border-radius: .6rem }
.card.silent { padding-block: .3rem; border-left-color: var(--line); color: var(--soft) } .card.silent h2 { margin: 0; font-weight: normal }
.card h2 { display: flex; justify-content: space-between; gap: 1rem; margin: 0 0 .4rem; font-size: 1rem }
.card h2 span, .soft { color: var(--soft); font-weight: normal }
.receiver { padding: .3rem 0 .3rem .9rem; border-left: 1px solid var(--line); overflow-wrap: anywhere }
.receiver::before { content: '→ '; margin-left: -.35rem; color: var(--accent) }
.tag { display: inline-block; margin: 0 .3rem 0 0; padding: 0 .45rem; font-size: .8rem; background: var(--paper); border: 1px solid var(--line); border-radius: 1rem }
.place { display: block; font: .8rem/1.4 ui-monospace, monospace; color: var(--soft) }
.send, .call { margin: .15rem 0 }
.inner { margin-left: 1.2rem; padding-left: .6rem; border-left: 1px solid var(--line) }
.row { display: grid; grid-template-columns: 1.2rem minmax(0, 1fr) 6rem min(24rem, 34vw); gap: .6rem; align-items: center; width: 100%; padding: .25rem .4rem; font: inherit; color: inherit; text-align: left; background: none; border: 0; border-radius: .4rem }
button.row { cursor: pointer }
button.row:hover { background: var(--card) }
.row .what { overflow-wrap: anywhere }
.row .time { text-align: right; font-variant-numeric: tabular-nums; color: var(--soft) }
.bar { position: relative; height: .55rem; background: var(--line); border-radius: .3rem; overflow: hidden }
.bar i { position: absolute; inset-block: 0; min-width: 2px; background: var(--accent); border-radius: .3rem }
.bad { color: var(--bad) } .bad + .time + .bar i { background: var(--bad) }
.quiet { color: var(--soft); font-style: italic }
.more { margin: .5rem 0; padding: .4rem 1rem; font: inherit; color: inherit; background: var(--card); border: 1px solid var(--line); border-radius: .5rem; cursor: pointer }
`;

/** How it works. Nothing is put into the page but as text. */
export const SCRIPT = `
const { listings, trace } = JSON.parse(document.getElementById('data').textContent)
const main = document.querySelector('main'), filter = document.getElementById('filter'), nav = document.querySelector('nav')
const PAGE = 200
const make = (tag, className, ...children) => {
  const element = document.createElement(tag)
  element.className = className
  element.append(...children)
  return element
}
const ms = (time) => time === undefined || time === null ? 'not over' : (time < 10 ? time.toFixed(2) : time.toFixed(0)) + ' ms'
/** The first of many; the rest when they are asked for. */
const paged = (parent, items, draw, from = 0) => {
  parent.append(...items.slice(from, from + PAGE).map(draw))
  const left = items.length - from - PAGE
  if (left <= 0) return parent
  const more = make('button', 'more', left + ' more')
  more.onclick = () => { more.remove(); paged(parent, items, draw, from + PAGE) }
  parent.append(more)
  return parent
}

const drawReceiver = ({ name, sender, traits, place }) => make('div', 'receiver', name + ' ', make('span', 'tag', sender), ...traits.map((trait) => make('span', 'tag', trait)), ...(place ? [make('span', 'place', place)] : []))
const drawSignal = ({ name, receivers }) => paged(make('section', receivers.length === 0 ? 'card silent' : 'card', make('h2', '', name, make('span', '', receivers.length === 0 ? 'nobody listens' : receivers.length + (receivers.length === 1 ? ' receiver' : ' receivers')))), receivers, drawReceiver)
const drawMap = (words) => {
  const has = (text) => words.every((word) => text.toLowerCase().includes(word))
  const heardFirst = [...listings].sort((one, other) => (other.receivers.length > 0) - (one.receivers.length > 0))
  const found = heardFirst.flatMap((listing) => {
    const receivers = listing.receivers.filter(({ name, sender, place, traits }) => has([listing.name, name, sender, place, ...traits].join(' ')))
    return receivers.length > 0 || has(listing.name) ? [{ ...listing, receivers }] : []
  })
  main.replaceChildren(found.length > 0 ? paged(make('div', 'signals'), found, drawSignal) : make('p', 'quiet', 'Nothing fits.'))
}

const bar = ({ start, duration }) => {
  const fill = make('i', '')
  fill.style.left = 100 * start / trace.duration + '%'
  fill.style.width = 100 * (duration ?? trace.duration - start) / trace.duration + '%'
  return make('div', 'bar', fill)
}
/** A row that opens to what is inside; that is drawn when it is opened. */
const row = (className, text, bad, item, inner) => {
  const opens = inner.length > 0
  const arrow = make('span', 'soft', opens ? '▸' : '')
  const head = make(opens ? 'button' : 'div', 'row', arrow, make('span', 'what' + (bad ? ' bad' : ''), ...text), make('span', 'time', ms(item.duration)), bar(item))
  const box = make('div', className, head)
  if (!opens) return box
  let body
  head.setAttribute('aria-expanded', 'false')
  head.onclick = () => {
    if (body) { body.remove(); body = undefined } else box.append(body = paged(make('div', 'inner'), inner, ([draw, each]) => draw(each)))
    arrow.textContent = body ? '▾' : '▸'
    head.setAttribute('aria-expanded', String(!!body))
  }
  return box
}
const drawSend = (send) => row('send', [make('b', '', send.signal), ' ' + send.sender + ' ', make('span', 'soft', send.method), send.error ? ' ' + send.error : ''], send.error, send, send.receivers.map((call) => [drawCall, call]))
const drawCall = (call) => row('call', ['→ ' + call.receiver + ' ', make('span', call.state === 'returned' ? 'soft' : call.state === 'threw' ? 'bad' : 'quiet', call.state + (call.response === 'value' || call.response === 'promise' ? ' a ' + call.response : '') + (call.afterCommit ? ' after the commit' : '')), call.error ? ' ' + call.error : ''], call.state === 'threw', call, call.sends.map((send) => [drawSend, send]))
const mentions = (send, words) => {
  const text = JSON.stringify([send.signal, send.sender, send.error, send.receivers.map(({ receiver, error }) => [receiver, error])]).toLowerCase()
  return words.every((word) => text.includes(word)) || send.receivers.some(({ sends }) => sends.some((each) => mentions(each, words)))
}
const drawTrace = (words) => {
  const sends = words.length > 0 ? trace.sends.filter((send) => mentions(send, words)) : trace.sends
  main.replaceChildren(make('p', 'soft', sends.length + (sends.length === 1 ? ' send in ' + ms(trace.duration) + ', and what it caused' : ' sends in ' + ms(trace.duration) + ', and what they caused')), paged(make('div', ''), sends, drawSend))
}

const views = [...(trace ? [['Timeline', drawTrace]] : []), ...(listings.length > 0 || !trace ? [['Who listens', drawMap]] : [])]
let [[, current]] = views
const draw = () => current(filter.value.toLowerCase().split(/\\s+/).filter(Boolean))
for (const [name, view] of views.length > 1 ? views : []) {
  const button = make('button', '', name)
  button.onclick = () => {
    current = view
    for (const each of nav.children) each.setAttribute('aria-pressed', String(each === button))
    draw()
  }
  button.setAttribute('aria-pressed', String(view === current))
  nav.append(button)
}
filter.oninput = draw
draw()
`;
