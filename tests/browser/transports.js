// One room of the chat with a page on each transport: with WebSocket, without window.WebSocket, with WebSocket blocked in transit, by
// the menu, and behind a proxy that leaves polling only. All see the same in the same order, also when connections are cut
// again and again; a server that was restarted is noticed. Usage: transports.js CHAT CHROMIUM SCREENSHOTS
'use strict';
const {chromium} = require('playwright-core');
const assert = require('assert');
const path = require('path');
const proxy = require('./proxy.js');
const serve = require('./serve.js');

const [chat, executablePath, shots] = process.argv.slice(2);
const args = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync'];
const deadline = setTimeout(() => { console.error('the test takes too long'); process.exit(1); }, 550000);

(async () => {
  let server = await serve(chat, 0);
  const plain = await proxy(server.port), blocked = await proxy(server.port, {upgrades: false});
  const buffering = await proxy(server.port, {upgrades: false, buffers: true});
  const browser = await chromium.launch({executablePath, args, headless: true});
  const problems = [];
  async function enter(name, url, {missing = [], via = '', ...look} = {}) {
    const context = await browser.newContext({viewport: {width: 1100, height: 700}, ...look});
    context.setDefaultTimeout(30000);
    await context.addInitScript(missing => missing.forEach(each => delete window[each]), missing);
    const page = await context.newPage();
    page.on('pageerror', error => problems.push(name + ': ' + error));
    await page.goto(url);
    await page.getByLabel('Your name').fill(name);
    await page.keyboard.press('Enter');
    await page.getByText('Connected', {exact: true}).waitFor();
    assert.equal(await page.evaluate(each => each.filter(name => name in window).join(), missing), '');
    if (via) await page.getByLabel('Transport', {exact: true}).selectOption(via);
    return Object.assign(page, {guest: name});
  }
  const badge = (page, text) => page.waitForFunction(text => document.querySelector('#badge').textContent === text, text);
  const texts = page => page.evaluate(() => [...document.querySelectorAll('.said > span')].map(each => each.textContent));
  const shot = (page, name) => page.screenshot({path: path.join(shots, name + '.png')});
  const say = async (page, text) => {
    await page.getByLabel('Message', {exact: true}).fill(text);
    await page.keyboard.press('Enter');
  };

  const ada = await enter('Ada', plain.url);
  await badge(ada, 'WebSocket');
  const bob = await enter('Bob', plain.url, {missing: ['WebSocket'], colorScheme: 'dark'});
  await badge(bob, 'event stream');
  const cyd = await enter('Cyd', blocked.url);
  await badge(cyd, 'event stream');
  const dan = await enter('Dan', plain.url, {via: 'long-polling', viewport: {width: 390, height: 760}});
  await badge(dan, 'long polling');
  const phone = {viewport: {width: 390, height: 760}};
  const eve = await enter('Eve', buffering.url, {missing: ['WebSocket', 'EventSource'], colorScheme: 'dark', ...phone});
  await badge(eve, 'polling');
  const all = [ada, bob, cyd, dan, eve];

  // Everybody has seen what everybody said, once, in the same order, and each their own in the order in which it was said.
  const expected = [];
  async function agree() {
    for (const page of all) {
      await page.waitForFunction(count => document.querySelectorAll('.said').length >= count, expected.length);
      assert.deepEqual((await texts(page)).sort(), [...expected].sort(), page.guest);
    }
    const first = await texts(ada);
    for (const page of all) {
      assert.deepEqual(await texts(page), first, page.guest);
      assert.deepEqual(first.filter(each => each.startsWith(page.guest)), expected.filter(each => each.startsWith(page.guest)));
    }
  }
  async function everybody_says(text) {
    await Promise.all(all.map(page => say(page, `${page.guest} ${text}`)));
    all.forEach(page => expected.push(`${page.guest} ${text}`));
  }
  await everybody_says('says hello 🌊 \\ "there"');
  for (let i = 1; i <= 4; ++i) await everybody_says('number ' + i);
  await agree();
  await ada.waitForFunction(() => document.querySelector('#people').textContent === 'AdaBobCydDanEve');
  await shot(ada, 'transports-websocket');
  await shot(bob, 'transports-event-stream-dark');
  await shot(dan, 'transports-long-polling-phone');
  await shot(eve, 'transports-polling-phone-dark');

  for (let i = 1; i <= 8; ++i) { // cut in the middle of it
    const said = everybody_says('in the storm ' + i);
    if (i % 2) for (const each of [plain, blocked, buffering]) each.cut();
    await said;
    for (const each of [plain, blocked, buffering]) each.cut();
  }
  await agree();
  await shot(ada, 'transports-after-the-storm');
  const noticed = await ada.evaluate(() => [...document.querySelectorAll('.news')].map(each => each.textContent));
  assert(!noticed.some(each => each.includes('left') || each.includes('forgotten')), 'the room has noticed nothing: ' + noticed.join());

  for (const [kind, name] of [['polling', 'polling'], ['event-stream', 'event stream'], ['websocket', 'WebSocket'],
    ['long-polling', 'long polling'], ['', 'WebSocket']]) { // the menu moves the session
    await ada.getByLabel('Transport', {exact: true}).selectOption(kind);
    await badge(ada, name);
    await everybody_says('while Ada moves to ' + name + (kind && '.'));
  }
  await agree();

  await cyd.evaluate(() => dispatchEvent(new Event('visibilitychange'))); // a page that is shown looks for something better
  await badge(cyd, 'event stream');
  blocked.upgrades = true;
  await cyd.evaluate(() => dispatchEvent(new Event('visibilitychange')));
  await badge(cyd, 'WebSocket');
  for (const page of [ada, bob]) await page.context().setOffline(true);
  await everybody_says('while some are offline');
  for (const page of [ada, bob]) await page.context().setOffline(false);
  await agree();

  for (const end of ['stop', 'kill']) { // its memory is gone: all come back, and are told
    assert.equal(await server[end](), {stop: 0, kill: 'SIGKILL'}[end]);
    for (const page of all) await page.getByText('Reconnecting').waitFor();
    await shot(cyd, 'transports-reconnecting');
    server = await serve(chat, server.port);
    expected.length = 0;
    for (const page of all) await page.getByText('Connected', {exact: true}).waitFor();
    for (const page of all) await page.getByText('The server had forgotten you.').waitFor();
    await ada.waitForFunction(() => document.querySelectorAll('#people li').length === 5);
    await everybody_says('again, after ' + end);
    await agree();
  }
  assert.deepEqual(problems, []);
  await shot(eve, 'transports-again');

  await browser.close();
  assert.equal(await server.stop(), 0, 'SIGINT ends the server with 0');
  clearTimeout(deadline);
  console.log('five pages on four transports agreed; screenshots in ' + shots);
  process.exit(0);
})().catch(error => { console.error(error); process.exit(1); });
