// The interop cases of gRPC by a client of grpc-js.
//
// client.js TARGET CASE [ca=FILE]
//
// Ends with 0 if the case holds; else it says what does not. What the server has to do for a case is in
// ctest/interop/grpc-server.yaml; cancel_after_begin waits for the signal USR2.
'use strict';
const assert = require('assert');
const fs = require('fs');
const {grpc, definition, reflectionOf, richStatus} = require('./protos');

const LIMIT = 30000;
const {status} = grpc;
const [target, name, ...words] = process.argv.slice(2);
const given = Object.fromEntries(words.map((word) => word.split('=')));

function client(settings) {
  const credentials = given.ca ? grpc.credentials.createSsl(fs.readFileSync(given.ca))
    : grpc.credentials.createInsecure();
  const services = {
    test: definition['grpc.testing.TestService'],
    stranger: definition['grpc.testing.UnimplementedService'],
    health: definition['grpc.health.v1.Health'],
    v1: reflectionOf('v1'),
    v1alpha: reflectionOf('v1alpha'),
  };
  const made = {};
  for (const [key, service] of Object.entries(services)) {
    const Client = grpc.makeGenericClientConstructor(service, key);
    made[key] = new Client(target, credentials, {'grpc.enable_retries': 0, ...settings});
  }
  return made;
}

function metadataOf(pairs) {
  const metadata = new grpc.Metadata();
  for (const [key, value] of pairs) metadata.add(key, value);
  return metadata;
}

/** What came of a call: {error, answers, initial, trailing}. `write` gets the call once it has begun. */
function run(stub, method, request, {metadata, limit, write, each} = {}) {
  const kind = stub[method];
  const options = {deadline: Date.now() + (limit || LIMIT)};
  const sent = metadata || new grpc.Metadata();
  const result = {answers: []};
  return new Promise((resolve) => {
    let call;
    const answered = (error, answer) => {
      result.error = error || null;
      if (answer) result.answers.push(answer);
    };
    if (kind.requestStream && kind.responseStream) call = stub[method](sent, options);
    else if (kind.requestStream) call = stub[method](sent, options, answered);
    else if (kind.responseStream) call = stub[method](request, sent, options);
    else call = stub[method](request, sent, options, answered);
    call.on('metadata', (initial) => { result.initial = initial; });
    call.on('status', (ended) => {
      result.trailing = ended.metadata;
      result.status = ended;
      setImmediate(() => resolve(result));
    });
    if (kind.responseStream) {
      call.on('error', (error) => { result.error = error; });
      call.on('data', (answer) => {
        result.answers.push(answer);
        if (each) each(call, result.answers);
      });
    }
    if (write) write(call);
  });
}

async function succeeds(...of) {
  const result = await run(...of);
  assert.strictEqual(result.status.code, status.OK, `${result.status.code} ${result.status.details}`);
  return result;
}

async function fails(code, ...of) {
  const result = await run(...of);
  assert.strictEqual(result.status.code, code, `${result.status.code} ${result.status.details}`);
  assert.strictEqual(result.error.code, code);
  return result;
}

function send(...requests) {
  return (call) => {
    for (const request of requests) call.write(request);
    call.end();
  };
}

const LARGE = {response_size: 314159, payload: {body: Buffer.alloc(271828)}};

function question(size, body) {
  return {response_parameters: [{size}], payload: {body: Buffer.alloc(body || 0)}};
}

function sizes(answers, expected) {
  assert.deepStrictEqual(answers.map((answer) => answer.payload.body.length), expected);
  for (const answer of answers) assert(answer.payload.body.equals(Buffer.alloc(answer.payload.body.length)));
}

async function largeAnswer(stubs, options) {
  const result = await succeeds(stubs.test, 'UnaryCall', LARGE, options);
  sizes(result.answers, [314159]);
  return result;
}

async function statusOf(stubs, message) {
  const asked = {response_status: {code: 2, message}};
  for (const of of [['UnaryCall', asked], ['FullDuplexCall', null, {write: send(asked)}]]) {
    const result = await fails(status.UNKNOWN, stubs.test, ...of);
    assert.strictEqual(result.status.details, message);
  }
}

async function broken(stubs) {
  const result = await run(stubs.test, 'UnaryCall', LARGE);
  assert(![status.OK, status.DEADLINE_EXCEEDED].includes(result.status.code), `${result.status.code}`);
}

async function reflected(stub) {
  const result = await succeeds(stub, 'ServerReflectionInfo', null, {write: send(
    {list_services: ''}, {file_containing_symbol: 'grpc.testing.TestService'},
    {file_by_filename: 'testing.proto'}, {file_containing_symbol: 'grpc.testing.Nothing'})});
  const [services, symbol, file, missing] = result.answers;
  assert.deepStrictEqual(services.services.service.map((service) => service.name).sort(),
    ['grpc.reflection.v1.ServerReflection', 'grpc.reflection.v1alpha.ServerReflection',
      'grpc.testing.TestService', 'grpc.testing.UnimplementedService']);
  assert(symbol.files.file_descriptor_proto[0].includes('StreamingOutputCallRequest'));
  assert(file.files.file_descriptor_proto[0].equals(symbol.files.file_descriptor_proto[0]));
  assert.strictEqual(missing.error.error_code, 5);
}

function pinging() {
  return client({'grpc.keepalive_time_ms': 100, 'grpc.keepalive_timeout_ms': 2000}).test;
}

const ECHO = [['x-grpc-test-echo-initial', 'test_initial_metadata_value'],
  ['x-grpc-test-echo-trailing-bin', Buffer.from([0xab, 0xab, 0xab])]];

const CASES = {
  async empty_unary({test}) {
    assert.deepStrictEqual((await succeeds(test, 'EmptyCall', {})).answers, [{}]);
  },
  large_unary: (stubs) => largeAnswer(stubs),
  async client_streaming({test}) {
    const parts = [27182, 8, 1828, 45904].map((size) => ({payload: {body: Buffer.alloc(size)}}));
    const {answers} = await succeeds(test, 'StreamingInputCall', null, {write: send(...parts)});
    assert.strictEqual(answers[0].aggregated_payload_size, 74922);
  },
  async server_streaming({test}) {
    const asked = {response_parameters: [31415, 9, 2653, 58979].map((size) => ({size}))};
    sizes((await succeeds(test, 'StreamingOutputCall', asked)).answers, [31415, 9, 2653, 58979]);
  },
  async ping_pong({test}) {
    const rounds = [[31415, 27182], [9, 8], [2653, 1828], [58979, 45904]];
    const {answers} = await succeeds(test, 'FullDuplexCall', null, {
      write: (call) => call.write(question(...rounds[0])),
      each: (call, so_far) => {
        if (so_far.length < rounds.length) call.write(question(...rounds[so_far.length]));
        else call.end();
      },
    });
    sizes(answers, rounds.map(([size]) => size));
  },
  async empty_stream({test}) {
    sizes((await succeeds(test, 'FullDuplexCall', null, {write: send()})).answers, []);
  },
  async custom_metadata(stubs) {
    const metadata = metadataOf(ECHO);
    const stream = await succeeds(stubs.test, 'FullDuplexCall', null,
      {metadata, write: send(question(314159, 271828))});
    sizes(stream.answers, [314159]);
    for (const {initial, trailing} of [await largeAnswer(stubs, {metadata}), stream]) {
      assert.deepStrictEqual(initial.get(ECHO[0][0]), [ECHO[0][1]]);
      assert.deepStrictEqual(trailing.get(ECHO[1][0]), [ECHO[1][1]]);
    }
  },
  status_code_and_message: (stubs) => statusOf(stubs, 'test status message'),
  special_status_message: (stubs) => statusOf(stubs,
    '\t\ntest with whitespace\r\nand Unicode BMP \u263a and non-BMP \u{1f608}\t\n'),
  unimplemented_method: ({test}) => fails(status.UNIMPLEMENTED, test, 'UnimplementedCall', {}),
  unimplemented_service: ({stranger}) => fails(status.UNIMPLEMENTED, stranger, 'UnimplementedCall', {}),
  // the server knows of a call once its first message came
  cancel_after_begin: ({test}) => fails(status.CANCELLED, test, 'StreamingInputCall', null, {
    write: (call) => {
      call.write({});
      process.once('SIGUSR2', () => call.cancel());
    },
  }),
  async cancel_after_first_response({test}) {
    const result = await fails(status.CANCELLED, test, 'FullDuplexCall', null, {
      write: (call) => call.write(question(31415, 27182)),
      each: (call) => call.cancel(),
    });
    sizes(result.answers, [31415]);
  },
  async timeout_on_sleeping_server({test}) {
    await succeeds(test, 'EmptyCall', {}); // a connection
    await fails(status.DEADLINE_EXCEEDED, test, 'FullDuplexCall', null,
      {limit: 1, write: (call) => call.write(question(31415, 27182))});
  },

  // What is not among the cases of gRPC.
  async compressed() {
    const stubs = client({'grpc.default_compression_algorithm': 2});
    await largeAnswer(stubs);
    const asked = question(314159, 271828);
    sizes((await succeeds(stubs.test, 'FullDuplexCall', null, {write: send(asked, asked)})).answers,
      [314159, 314159]);
  },
  async bulk({test}) {
    const asked = Array.from({length: 32}, () => question(314159, 271828));
    sizes((await succeeds(test, 'FullDuplexCall', null, {write: send(...asked)})).answers,
      asked.map(() => 314159));
  },
  // the server ends the call while messages are still on their way
  enough: ({test}) => fails(status.ABORTED, test, 'FullDuplexCall', null, {
    write: (call) => {
      const more = () => {
        if (call.ended_early) return;
        call.write(question(9, 27182));
        setImmediate(more);
      };
      call.on('status', () => { call.ended_early = true; });
      more();
    },
  }),
  async parallel(stubs) {
    await Promise.all(Array.from({length: 50}, () => largeAnswer(stubs)));
  },
  async metadata({test}) {
    const metadata = metadataOf([['x-many', 'a'], ['x-many', 'b'],
      ['x-raw-bin', Buffer.from([0, 0xff])], ['x-raw-bin', Buffer.alloc(0)]]);
    const {initial, trailing} = await succeeds(test, 'UnaryCall', {}, {metadata});
    assert.deepStrictEqual(initial.get('x-many').join(', '), 'c, d');
    assert.deepStrictEqual(initial.get('x-raw-bin'), [Buffer.from([0, 0xff]), Buffer.from([1])]);
    assert.deepStrictEqual(trailing.get('x-many').join(', '), 'e, f');
    assert.deepStrictEqual(trailing.get('x-raw-bin'), [Buffer.from([2]), Buffer.from([0xfe, 0xff])]);
  },
  async deadline({test}) {
    await succeeds(test, 'EmptyCall', {}); // a connection
    await fails(status.DEADLINE_EXCEEDED, test, 'UnaryCall', {}, {limit: 500});
  },
  server_cancels: ({test}) => fails(status.CANCELLED, test, 'UnaryCall', {}),
  async status_details({test}) {
    const {trailing} = await fails(status.FAILED_PRECONDITION, test, 'UnaryCall', {});
    assert.deepStrictEqual(trailing.get('grpc-status-details-bin'), [richStatus(9, '\u00fcber')]);
  },
  reflection_v1: ({v1}) => reflected(v1),
  reflection_v1alpha: ({v1alpha}) => reflected(v1alpha),
  async health_check({health}) {
    for (const [service, state] of [['', 'SERVING'], ['grpc.testing.TestService', 'NOT_SERVING']]) {
      const {answers} = await succeeds(health, 'Check', {service});
      assert.deepStrictEqual(answers, [{status: state}]);
    }
    await fails(status.NOT_FOUND, health, 'Check', {service: 'other'});
  },
  health_watch: ({health}) => fails(status.CANCELLED, health, 'Watch', {service: 'grpc.testing.TestService'}, {
    each: (call, answers) => {
      const state = answers[answers.length - 1].status;
      console.log('health', state);
      if (state === 'SERVING') call.cancel();
    },
  }),
  async too_large_there({test}) {
    const result = await fails(status.RESOURCE_EXHAUSTED, test, 'UnaryCall',
      {payload: {body: Buffer.alloc(2 << 20)}});
    assert(result.status.details.includes('larger than max'), result.status.details);
  },
  too_large_here: ({test}) => fails(status.RESOURCE_EXHAUSTED, test, 'UnaryCall', {}),
  async keep_alive() {
    const {answers} = await succeeds(pinging(), 'StreamingOutputCall', {});
    assert.strictEqual(answers.length, 2);
  },
  keep_alive_lost: () => fails(status.UNAVAILABLE, pinging(), 'StreamingOutputCall', {}),

  // The negative cases of HTTP/2.
  async goaway(stubs) {
    await largeAnswer(stubs);
    await largeAnswer(stubs);
  },
  broken,
  rst_after_header: broken,
  rst_during_data: broken,
  rst_after_data: broken,
  ping: (stubs) => largeAnswer(stubs),
  async max_streams(stubs) {
    await largeAnswer(stubs); // the settings are known
    await Promise.all(Array.from({length: 10}, () => largeAnswer(stubs)));
  },
};

CASES[name](client({})).then(() => {
  console.log('passed');
  process.exit(0);
}, (error) => {
  console.error(error.message);
  process.exit(1);
});
