// An echo server with npm's ws. Prints where it listens.
const { WebSocketServer } = require("ws");

const server = new WebSocketServer({ host: "127.0.0.1", port: 0, perMessageDeflate: { threshold: 0 } });
server.on("listening", () => console.log(`listening on ws://127.0.0.1:${server.address().port}/`));
server.on("connection", (ws) => {
    ws.on("error", () => {}); // what peers do wrong is what this is about
    ws.on("message", (data, isBinary) => ws.send(data, { binary: isBinary }));
});
