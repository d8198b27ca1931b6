// weir.js in Node.js against the chat, over a proxy that cuts connections: guests on each transport in one room hear everything once and
// in the same order; one moves up to a WebSocket in the middle of it. Usage: guests.js CHAT SCRIPT
'use strict';
const assert = require('assert');
const fs = require('fs');
const vm = require('vm');
const proxy = require('./proxy.js');
const serve = require('./serve.js');

const [chat, script] = process.argv.slice(2);
vm.runInThisContext(fs.readFileSync(script, 'utf8'));
const {Channel} = globalThis.weir;
const deadline = setTimeout(() => { console.error('the test takes too long'); process.exit(1); }, 180000);
const turn = wait => new Promise(done => setTimeout(done, wait));
const all = ['event-stream', 'long-polling', 'polling', ...globalThis.WebSocket ? ['websocket'] : []];

class Guest {
  constructor(url, name, options) {
    Object.assign(this, {name, heard: [], lost: 0, said: 0, watchers: []});
    this.channel = new Channel(url + '/chat', {interval: 30, retry: 20, timeout: 3000, ...options});
    this.channel.onopen = () => this.channel.send(`join\tlobby\t${name}`);
    this.channel.onlost = () => ++this.lost;
    this.channel.onmessage = ({data}) => {
      const {text} = JSON.parse(data);
      if (text) this.heard.push(text);
      this.look();
    };
    this.channel.ontransport = () => this.look();
  }
  look() { this.watchers = this.watchers.filter(([condition, done]) => !condition() || done()); }
  until(condition) { return new Promise(done => { this.watchers.push([condition, done]); this.look(); }); }
  say() { this.channel.send(`say\t${this.name} ${++this.said}`); }
  async close() {
    const closed = new Promise(done => { this.channel.onclose = done; });
    this.channel.close();
    assert.equal((await closed).code, 1000);
  }
}

async function storm(server, kinds) {
  const way = await proxy(server.port), guests = kinds.map((kind, i) => new Guest(way.url, kind + i, {transports: [kind]}));
  for (const each of guests) await each.until(() => each.channel.readyState === 1);
  for (const each of guests) { // everybody is in the room once they hear themselves
    each.channel.send(`say\thello ${each.name}`);
    await each.until(() => each.heard.includes(`hello ${each.name}`));
  }
  for (let i = 0; i < 60; ++i) {
    for (const each of guests) each.say();
    if (i % 7 === 3) way.cut();
    await turn(10);
  }
  for (const each of guests) await each.until(() => each.heard.filter(text => !text.startsWith('hello')).length >= 60 * guests.length);
  const last = guests.at(-1).heard.filter(text => !text.startsWith('hello'));
  for (const each of guests) {
    assert.deepEqual(each.heard.filter(text => !text.startsWith('hello')), last, each.name);
    assert.deepEqual(last.filter(text => text.startsWith(each.name + ' ')), Array.from({length: 60}, (_, i) => `${each.name} ${i + 1}`));
    assert.equal(each.lost, 0);
    await each.close();
  }
  way.close();
}

async function move_up(server) {
  const way = await proxy(server.port, {upgrades: false});
  const guest = new Guest(way.url, 'climber', {transports: ['websocket', 'long-polling'], probe: 100});
  await guest.until(() => guest.channel.transport === 'long-polling' && guest.channel.readyState === 1);
  let talks = true;
  const talk = (async () => { while (talks) { guest.say(); await turn(3); } })();
  await guest.until(() => guest.said > 100);
  way.upgrades = true;
  await guest.until(() => guest.channel.transport === 'websocket');
  talks = false;
  await talk;
  await guest.until(() => guest.heard.length === guest.said);
  assert.deepEqual(guest.heard, Array.from({length: guest.said}, (_, i) => `climber ${i + 1}`));
  assert.equal(guest.lost, 0);
  await guest.close();
  way.close();
}

(async () => {
  const server = await serve(chat, 0);
  for (const kind of all) await storm(server, [kind, kind]);
  await storm(server, all);
  if (globalThis.WebSocket) await move_up(server);
  assert.equal(await server.stop(), 0);
  clearTimeout(deadline);
  console.log('guests heard the same by ' + all.join(', '));
  process.exit(0);
})().catch(error => { console.error(error); process.exit(1); });
