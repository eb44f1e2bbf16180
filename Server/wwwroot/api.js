// What the page asks the server.

let key = '';

/** Sent with every request from now on. */
export function setKey(value) { key = value; }

/** A refusal that names a problem as RFC 9457 has it. */
export class Refusal extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** Asks, and gives the answer or throws a refusal. */
export async function ask(address, body) {
  const headers = body ? { 'Content-Type': 'application/json' } : {};
  if (key) headers['X-Api-Key'] = key;
  let answer;
  try {
    answer = await fetch(address, { method: body ? 'POST' : 'GET', headers, body: body && JSON.stringify(body), cache: 'no-store' });
  } catch {
    throw new Refusal(0, 'The server did not answer. Is it still running?');
  }

  if (answer.ok) return answer.json();
  const problem = await answer.json().catch(() => ({ title: `HTTP ${answer.status}` }));
  throw new Refusal(answer.status, problem.detail ? `${problem.title}: ${problem.detail}` : problem.title);
}
