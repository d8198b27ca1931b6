// `await serve(program, port)` runs a server that says where it listens; gives {url, port, stop(), kill()}, which give its exit code.
'use strict';
const {spawn} = require('child_process');

module.exports = (program, port) => new Promise((resolve, reject) => {
  const child = spawn(program, [String(port)], {stdio: ['ignore', 'pipe', 'inherit']});
  const ended = new Promise(done => child.on('exit', (code, signal) => done(signal ?? code)));
  process.on('exit', () => child.kill('SIGKILL'));
  child.on('error', reject);
  ended.then(code => reject(new Error('the server ended with ' + code)));
  let said = '';
  child.stdout.on('data', data => {
    said += data;
    const found = said.match(/listening on (http:\/\/localhost:(\d+))/);
    if (found) resolve({url: found[1], port: Number(found[2]), stop: () => { child.kill('SIGINT'); return ended; },
      kill: () => { child.kill('SIGKILL'); return ended; }});
  });
});
