// A member of a room with weir.js in Node: room.js SCRIPT URL TRANSPORT. Says each line of its input, and prints what happens.
'use strict';
const fs = require('fs');
const vm = require('vm');

const [script, url, transport] = process.argv.slice(2);
globalThis.document = {hidden: false};
globalThis.addEventListener = globalThis.removeEventListener = () => {};
vm.runInThisContext(fs.readFileSync(script, 'utf8'));
const print = (...words) => fs.writeSync(1, words.join(' ') + '\n');

const room = new weir.Channel(url, {transports: [transport], retry: 100, interval: 100});
room.onopen = () => print('open');
room.onlost = ({unsent}) => print('lost', unsent.length);
room.onmessage = ({data}) => print('message', data);
room.onclose = ({code}) => {
  print('close', code);
  process.exit(0);
};
require('readline').createInterface({input: process.stdin})
  .on('line', line => room.send(line))
  .on('close', () => room.close(1000));
