// Three browser windows chat through examples/chat.cpp: names, rooms, history, who is there, what is typed shown
// literally, a server that goes away and comes back, and its clean end. Usage: chat.js CHAT CHROMIUM SCREENSHOTS
'use strict';
const {chromium} = require('playwright-core');
const assert = require('assert');
const path = require('path');
const serve = require('./serve.js');

const [chat, executablePath, shots] = process.argv.slice(2);
const args = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync'];
const deadline = setTimeout(() => { console.error('the test takes too long'); process.exit(1); }, 280000);

(async () => {
  let server = await serve(chat, 0);
  const browser = await chromium.launch({executablePath, args, headless: true});
  const problems = []; // what a page complains about; that the server is away is no surprise
  async function enter(name, {room = '', ...look} = {}) {
    const context = await browser.newContext({viewport: {width: 1100, height: 700}, ...look});
    context.setDefaultTimeout(20000);
    const page = await context.newPage();
    page.on('pageerror', error => problems.push(name + ': ' + error));
    page.on('dialog', dialog => { problems.push(name + ': a dialog'); dialog.dismiss(); });
    await page.goto(server.url + '/' + room);
    await page.getByLabel('Your name').fill(name); // it has the focus, too: see below
    await page.keyboard.press('Enter');
    await page.getByText('Connected', {exact: true}).waitFor();
    return page;
  }
  const say = async (page, text) => {
    await page.getByLabel('Message', {exact: true}).fill(text);
    await page.keyboard.press('Enter');
  };
  const log = page => page.getByRole('log');
  const sees = (page, text) => log(page).getByText(text, {exact: true}).last().waitFor();
  const people = (page, names) => page.waitForFunction(
    expected => [...document.querySelectorAll('#people li')].map(each => each.textContent).join() === expected, names.join());
  const rooms = (page, names) => page.waitForFunction(
    expected => [...document.querySelectorAll('#rooms a')].map(each => each.textContent).join() === expected, names.join());
  const shot = (page, name) => page.screenshot({path: path.join(shots, name + '.png')});

  const context = await browser.newContext({viewport: {width: 390, height: 760}});
  const hello = await context.newPage();
  await hello.goto(server.url);
  assert.equal(await hello.evaluate(() => document.activeElement.id), 'name');
  await shot(hello, 'hello-phone');
  await context.close();

  const ada = await enter('Ada');
  const bob = await enter('Bob', {colorScheme: 'dark'});
  await sees(ada, 'Bob joined');
  await people(ada, ['Ada', 'Bob']);
  await people(bob, ['Ada', 'Bob']);
  await rooms(ada, ['lobby2']);

  await say(ada, 'Hello Bob, is the weir open?');
  await sees(bob, 'Hello Bob, is the weir open?');
  await say(bob, 'It is. The water stays where it should, and nobody had to write an accept loop.');
  await sees(ada, 'It is. The water stays where it should, and nobody had to write an accept loop.');
  const nasty = '<script>alert(1)</script> <b>"quoted"</b> \\ 👩‍🚀🌊 ünïcödé';
  await say(ada, nasty);
  await sees(ada, nasty);
  await sees(bob, nasty);
  assert.equal(await bob.locator('#log script').count(), 0);
  await say(bob, '   ');
  await say(bob, 'That was long, and nobody was hurt.');
  await sees(ada, 'That was long, and nobody was hurt.');
  assert.equal(await log(ada).locator('.said').count(), 4);
  assert.equal(await log(ada).locator('.mine').count(), 2);

  const eve = await enter('Ève & "Co" <3', {viewport: {width: 390, height: 760}, colorScheme: 'dark', hasTouch: true, isMobile: true});
  for (const text of ['Hello Bob, is the weir open?', nasty, 'That was long, and nobody was hurt.']) await sees(eve, text);
  await people(ada, ['Ada', 'Bob', 'Ève & "Co" <3']);
  await rooms(ada, ['lobby3']);
  await shot(ada, 'desktop-light');
  await shot(bob, 'desktop-dark');
  await shot(eve, 'phone-dark');

  await say(bob, 'x'.repeat(1000)); // as long as the page allows; wraps
  await sees(eve, 'x'.repeat(1000));
  assert(await eve.evaluate(() => document.documentElement.scrollWidth <= innerWidth), 'nothing sticks out');

  await bob.getByLabel('New room').fill('books / tea?');
  await bob.keyboard.press('Enter');
  await bob.getByRole('heading', {name: 'books / tea?'}).waitFor();
  await people(bob, ['Bob']);
  assert.equal(await log(bob).locator('.said').count(), 0);
  await sees(ada, 'Bob left');
  await rooms(ada, ['books / tea?1', 'lobby2']);
  await ada.getByRole('link', {name: 'books / tea?'}).click();
  await people(bob, ['Ada', 'Bob']);
  await rooms(eve, ['books / tea?2', 'lobby1']);
  await say(bob, 'Earl Grey');
  await sees(ada, 'Earl Grey');
  assert.equal(await log(eve).getByText('Earl Grey').count(), 0);
  await shot(eve, 'phone-rooms');

  assert.equal(await server.stop(), 0, 'SIGINT ends the server with 0');
  await ada.getByText('Reconnecting').waitFor();
  await say(ada, 'kept until the server is back');
  await shot(ada, 'reconnecting');
  server = await serve(chat, server.port);
  for (const page of [ada, bob, eve]) await page.getByText('Connected', {exact: true}).waitFor();
  await people(ada, ['Ada', 'Bob']);
  await rooms(ada, ['books / tea?2', 'lobby1']);
  await ada.getByText('The server had forgotten you.').waitFor();
  await ada.getByLabel('Message', {exact: true}).press('Enter');
  await sees(bob, 'kept until the server is back');
  await eve.context().close();
  await rooms(ada, ['books / tea?2']);

  // A room of many: the last 50 are shown to newcomers. Bad messages end the connection that sent them, nothing else.
  for (let i = 1; i <= 60; ++i) await say(ada, 'number ' + i);
  await sees(bob, 'number 60');
  const dan = await enter('Dan', {room: '#books%20%2F%20tea%3F', viewport: {width: 390, height: 760}});
  await sees(dan, 'number 60');
  assert.equal(await log(dan).locator('.said').count(), 50);
  await shot(dan, 'phone-light');
  const codes = await dan.evaluate(bad => Promise.all(bad.map(text => new Promise(done => {
    const other = new weir.Channel('/chat');
    other.onopen = () => {
      try {
        other.send(Array.isArray(text) ? new Uint8Array(text) : text);
      } catch (error) {
        done(error.message);
        other.close();
      }
    };
    other.onclose = event => done(event.code);
  }))), ['x', '\t', 'say\thello', 'join\t\t', 'join\troom\t', 'join\troom\ta\tb', 'join\ta\nb\tc', 'join\t' + 'r'.repeat(61) + '\tn',
    'x'.repeat(8001), [106, 111, 105, 110, 9, 255, 9, 97], '']);
  assert.deepEqual(codes, [1008, 1008, 1008, 1008, 1008, 1008, 1008, 1008, 'too long', 1008, 1000]);
  await say(dan, 'still here');
  await sees(ada, 'still here');

  assert.deepEqual(problems, []);
  assert.equal(await server.stop(), 0, 'SIGINT ends the server with 0');
  await browser.close();
  clearTimeout(deadline);
  console.log('three windows chatted; screenshots in ' + shots);
  process.exit(0);
})().catch(error => { console.error(error); process.exit(1); });
