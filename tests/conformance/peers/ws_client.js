// An echo client with npm's ws: connects to the URL again and again, until it is answered 410.
const WebSocket = require("ws");

const url = process.argv[2];
function connect() {
    const ws = new WebSocket(url, { perMessageDeflate: { threshold: 0 } });
    ws.on("unexpected-response", (request, response) => {
        if (response.statusCode === 410) process.exit(0);
        request.destroy();
        connect();
    });
    ws.on("error", () => {});
    ws.on("close", connect);
    ws.on("message", (data, isBinary) => ws.send(data, { binary: isBinary }));
}
connect();
