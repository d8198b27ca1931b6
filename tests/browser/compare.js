// The page of examples/compare_transports.cpp: all four panels hear every event, in order; what they show is what one expects of
// their transports; the sliders do what they say; a server that comes back is found. Usage: compare.js PROGRAM CHROMIUM SCREENSHOTS
'use strict';
const {chromium} = require('playwright-core');
const assert = require('assert');
const path = require('path');
const serve = require('./serve.js');

const [program, executablePath, shots] = process.argv.slice(2);
const args = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync'];
const deadline = setTimeout(() => { console.error('the test takes too long'); process.exit(1); }, 280000);

(async () => {
  let server = await serve(program, 0);
  const browser = await chromium.launch({executablePath, args, headless: true});
  const problems = [];
  async function open(name, look) {
    const context = await browser.newContext({viewport: {width: 1200, height: 1000}, ...look});
    context.setDefaultTimeout(40000);
    const page = await context.newPage();
    page.on('pageerror', error => problems.push(name + ': ' + error));
    await page.goto(server.url);
    await heard(page, 0);
    return page;
  }
  // Waits until each panel has heard events after number `count`.
  const heard = (page, count) => page.waitForFunction(least => stands.every(each => each.last > least), count);
  const figures = page => page.evaluate(() => stands.map(({kind, missed, last, seen, history}) => {
    const [first, now] = [history[0].counts, history[history.length - 1].counts];
    const late = seen.filter(([when]) => when > history[0].when).map(latency).sort((a, b) => a - b);
    const [messages, requests, bytes, micros] = now.map((each, at) => each - first[at]);
    return {kind, missed, last, messages, requests, bytes, micros, half: late[late.length >> 1]};
  }));
  const set = (page, slider, at) => page.locator('#' + slider).fill(String(at));
  const shot = (page, name) => page.screenshot({path: path.join(shots, 'compare-' + name + '.png'), fullPage: true});
  const fits = page => page.evaluate(() => document.documentElement.scrollWidth <= innerWidth);

  const page = await open('light');
  await heard(page, (await figures(page))[3].last + 15); // by then all counts have been told since the handshakes
  await set(page, 'rate', 5); // 50 a second
  await page.getByText('50 /s', {exact: true}).waitFor();
  await page.waitForFunction(() => stands.every(each => each.history[each.history.length - 1].counts[0] - each.history[0].counts[0] > 200));
  const [polling, long_polling, stream, websocket] = await figures(page);
  for (const each of [polling, long_polling, stream, websocket]) {
    assert.equal(each.missed, 0, each.kind + ' missed an event');
    assert(each.half > 0 && each.bytes / each.messages > 100 && each.micros > 0, JSON.stringify(each));
  }
  assert(polling.half > 200, 'half of the events wait longer than that for a poll each second: ' + polling.half);
  for (const each of [long_polling, stream, websocket]) assert(each.half < polling.half / 2, JSON.stringify([each, polling]));
  assert.equal(websocket.requests, 0);
  assert(polling.requests > 0 && polling.requests < polling.messages / 10, JSON.stringify(polling));
  assert(long_polling.requests > polling.requests, JSON.stringify([long_polling, polling]));
  assert(long_polling.bytes > websocket.bytes * 1.5, JSON.stringify([long_polling, websocket]));
  await shot(page, 'light');

  await set(page, 'interval', 0); // 100 ms
  await page.getByText('100 ms', {exact: true}).first().waitFor();
  await page.waitForFunction(() => {
    const late = stands[0].seen.slice(-60).map(latency);
    return late.length === 60 && late.reduce((sum, each) => sum + each, 0) < 60 * 150;
  });

  const dark = await open('dark', {colorScheme: 'dark'});
  await dark.getByText('50 /s', {exact: true}).waitFor(); // there is one source for all
  const phone = await open('phone', {viewport: {width: 390, height: 760}, colorScheme: 'dark', hasTouch: true, isMobile: true});
  const light_phone = await open('light phone', {viewport: {width: 360, height: 640}, hasTouch: true, isMobile: true});
  await set(dark, 'rate', 3);
  await page.getByText('10 /s', {exact: true}).waitFor();
  await heard(dark, (await figures(dark))[0].last + 40);
  for (const [each, name] of [[dark, 'dark'], [phone, 'phone-dark'], [light_phone, 'phone-light']]) {
    assert(await fits(each), 'nothing sticks out: ' + name);
    await shot(each, name);
  }
  await phone.context().close();
  await light_phone.context().close();
  await dark.context().close();
  await heard(page, (await figures(page))[0].last + 10);
  assert.deepEqual((await figures(page)).map(each => each.missed), [0, 0, 0, 0]);
  assert.equal(await page.getByText('connected', {exact: true}).count(), 4);

  assert.equal(await server.stop(), 0, 'SIGINT ends the server with 0');
  await page.waitForFunction(() => stands.every(each => !each.channel.transport));
  server = await serve(program, server.port);
  await page.waitForFunction(() => stands.every(each => each.channel.transport));
  await heard(page, 0);

  assert.deepEqual(problems, []);
  assert.equal(await server.stop(), 0, 'SIGINT ends the server with 0');
  await browser.close();
  clearTimeout(deadline);
  console.log('four transports were compared; screenshots in ' + shots);
  process.exit(0);
})().catch(error => { console.error(error); process.exit(1); });
