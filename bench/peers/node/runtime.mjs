// A client of the Lambda Runtime API that handles one event at a time over one connection.

import http from "node:http";

const invocation = `http://${process.env.AWS_LAMBDA_RUNTIME_API}/2018-06-01/runtime/invocation`;
// Its sockets have TCP_NODELAY.
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });

export async function run(handler) {
  for (;;) {
    const { headers, body } = await exchange("GET", "next");
    const id = headers["lambda-runtime-aws-request-id"];
    let outcome = "response";
    let answer;
    try {
      answer = await handler(JSON.parse(body));
    } catch (error) {
      outcome = "error";
      answer = { errorMessage: error.message, errorType: error.name };
    }
    await exchange("POST", `${id}/${outcome}`, JSON.stringify(answer));
  }
}

function exchange(method, path, content) {
  return new Promise((resolve, reject) => {
    const request = http.request(`${invocation}/${path}`, { method, agent }, (response) => {
      let body = "";
      response.setEncoding("utf8");
      response.on("data", (chunk) => (body += chunk));
      response.on("end", () => resolve({ headers: response.headers, body }));
      response.on("error", reject);
    });
    request.on("error", reject);
    request.end(content);
  });
}
