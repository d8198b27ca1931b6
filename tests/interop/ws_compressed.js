// npm's ws, driven by ws_compressed.py:
//
//     node ws_compressed.js talk URL OPTIONS     a client; prints the extensions, and exits with 1 if an echo differs
//     node ws_compressed.js serve OPTIONS        an echo server; prints its port, and ends when its input does
//
// OPTIONS: those of ws for perMessageDeflate, as JSON.
'use strict';
const assert = require('assert');
const {WebSocket, WebSocketServer} = require('ws');

const text = Array.from({length: 3000}, (_, i) => `line ${i * i % 997}: grüße 🌊\n`).join('');
const bytes = Buffer.from(Array.from({length: 100000}, (_, i) => (i * i * 31 % 251) ^ (i >> 3 & 255)));
const messages = ['', 'x', 'x'.repeat(255), 'x'.repeat(256), text.slice(0, 1000), text.slice(0, 1000), text,
    Buffer.alloc(0), bytes, bytes.subarray(0, 300), text];

async function talk(url, options) {
    const ws = new WebSocket(url, {perMessageDeflate: options, maxPayload: 0});
    const waiting = [], received = [];
    let broken = null;
    const fail = why => {
        broken = why;
        waiting.splice(0).forEach(each => each.reject(why));
    };
    ws.on('error', fail);
    ws.on('close', code => fail(new Error(`closed with ${code}`)));
    ws.on('message', (data, binary) => {
        const message = binary ? data : data.toString();
        waiting.length ? waiting.shift().resolve(message) : received.push(message);
    });
    const next = () => new Promise((resolve, reject) => {
        if (received.length) resolve(received.shift());
        else if (broken) reject(broken);
        else waiting.push({resolve, reject});
    });
    await new Promise((resolve, reject) => ws.on('open', resolve).on('error', reject));
    console.log(`agreed: ${ws.extensions}`);
    assert.match(ws.extensions, /permessage-deflate/);
    for (const each of messages) {
        for (const compress of [true, false]) {
            ws.send(each, {compress});
            assert.deepStrictEqual(await next(), each);
        }
    }
    for (const each of messages) ws.send(each); // one behind the other
    for (const each of messages) assert.deepStrictEqual(await next(), each);
    for (const pieces of [['one ', '', 'twö ', text, ''], Array(100).fill('x'.repeat(1000))]) {
        pieces.forEach((each, i) => ws.send(each, {fin: i === pieces.length - 1}));
        assert.deepStrictEqual(await next(), pieces.join(''));
    }
    ws.removeAllListeners('close');
    const code = await new Promise(resolve => {
        ws.on('close', resolve);
        ws.close(1000);
    });
    assert.strictEqual(code, 1000);
}

function serve(options) {
    const server = new WebSocketServer({port: 0, host: '127.0.0.1', perMessageDeflate: options, maxPayload: 0});
    server.on('listening', () => console.log(server.address().port));
    server.on('connection', ws => {
        ws.on('error', error => console.log(`error: ${error.message}`));
        ws.on('message', (data, binary) => ws.send(data, {binary}));
    });
    process.stdin.on('data', () => {}).on('end', () => process.exit(0));
}

const [what, ...rest] = process.argv.slice(2);
if (what === 'serve') {
    serve(JSON.parse(rest[0]));
} else {
    talk(rest[0], JSON.parse(rest[1])).then(() => process.exit(0), error => {
        console.log(error.stack);
        process.exit(1);
    });
}
