// What may stand between a browser and its server: a proxy that can cut connections, has no WebSockets, or hands on nothing but
// whole answers that come soon. `await proxy(port, {upgrades, buffers})` gives {url, upgrades, cut(), close()}.
'use strict';
const http = require('http');
const net = require('net');

const patience = 1500; // milliseconds until a proxy that buffers gives an answer up

module.exports = (port, {upgrades = true, buffers = false} = {}) => new Promise(resolve => {
  const sockets = new Set();
  const known = socket => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => socket.destroy());
    return socket;
  };
  const server = http.createServer((request, answer) => {
    const {method, url, headers} = request;
    const timer = buffers ? setTimeout(() => fail(504), patience) : undefined;
    const onward = http.request({port, method, path: url, headers, agent: false}, from => {
      const pieces = [];
      if (!buffers) answer.writeHead(from.statusCode, from.headers);
      from.on('data', piece => buffers ? pieces.push(piece) : answer.write(piece));
      from.on('end', () => {
        clearTimeout(timer);
        if (buffers && !answer.headersSent) answer.writeHead(from.statusCode, from.headers);
        answer.end(buffers ? Buffer.concat(pieces) : undefined);
      });
      from.on('error', () => answer.destroy());
    });
    const fail = status => {
      clearTimeout(timer);
      onward.destroy();
      if (answer.headersSent) answer.destroy();
      else answer.writeHead(status, {'Content-Type': 'text/html'}).end('<html><title>The proxy is unhappy</title>\n');
    };
    onward.on('error', () => fail(502));
    answer.on('close', () => onward.destroy());
    request.pipe(onward);
  });
  server.on('connection', known);
  server.on('upgrade', (request, socket, head) => {
    if (!it.upgrades) return socket.destroy();
    const onward = known(net.connect(port));
    const fields = Array.from({length: request.rawHeaders.length / 2}, (_, i) => request.rawHeaders.slice(2 * i, 2 * i + 2).join(': '));
    onward.write([`GET ${request.url} HTTP/1.1`, ...fields, '', ''].join('\r\n'));
    onward.write(head);
    onward.pipe(socket).pipe(onward);
    onward.on('close', () => socket.destroy());
    socket.on('close', () => onward.destroy());
  });
  const it = {
    upgrades,
    cut() { for (const each of sockets) each.destroy(); },
    close() { server.close(); it.cut(); },
  };
  server.listen(0, 'localhost', () => resolve(Object.assign(it, {url: `http://localhost:${server.address().port}`})));
});
