// grpc.testing.TestService by grpc-js, with health and reflection.
//
// server.js PORT [tls=CERTIFICATE,KEY] [ping=MS]
//
// Speaks and prints as ctest/peers/grpc_interop_server.py does, but that it compresses nothing: grpc-js cannot.
'use strict';
const fs = require('fs');
const {grpc, definition, descriptorOf, reflectionOf, richStatus} = require('./protos');

const {status} = grpc;
const [port, ...words] = process.argv.slice(2);
const given = Object.fromEntries(words.map((word) => word.split('=')));
const ECHO = 'x-grpc-test-echo-initial';
const ECHO_BIN = 'x-grpc-test-echo-trailing-bin';

/** What every call does: its metadata come back. Gives the trailers. */
function begin(call) {
  const initial = new grpc.Metadata();
  const trailers = new grpc.Metadata();
  for (const name of [ECHO, 'x-many', 'x-raw-bin']) {
    for (const value of call.metadata.get(name)) {
      initial.add(name, value);
      if (name !== ECHO) trailers.add('x-trailing-' + name.slice(2), value);
    }
  }
  for (const value of call.metadata.get(ECHO_BIN)) trailers.add(ECHO_BIN, value);
  call.sendMetadata(initial);
  return trailers;
}

/** The error that a request asks for, or null. */
function failure(request, call, trailers) {
  const asked = request.response_status;
  if (!asked || !asked.code) return null;
  if (call.metadata.get('x-details').length) {
    trailers.set('grpc-status-details-bin', richStatus(asked.code, asked.message));
  }
  return {code: asked.code, details: asked.message, metadata: trailers};
}

function payload(size) {
  return {payload: {body: Buffer.alloc(size)}};
}

/** Calls `then` once all answers to a request are written, unless the client leaves. */
function answer(call, request, then) {
  const left = [...request.response_parameters];
  let timer;
  let waits = false;
  const next = () => {
    waits = false;
    if (!left.length) {
      then();
      return;
    }
    const {size, interval_us} = left.shift();
    waits = interval_us > 0;
    timer = setTimeout(() => {
      call.write(payload(size));
      next();
    }, interval_us / 1000);
  };
  call.on('cancelled', () => {
    clearTimeout(timer);
    if (waits) console.log('cancelled StreamingOutputCall');
  });
  next();
}

const test = {
  EmptyCall(call, done) {
    done(null, {}, begin(call));
  },
  UnaryCall(call, done) {
    const {request} = call;
    const trailers = begin(call);
    if (call.metadata.get('x-sleep').length) {
      call.on('cancelled', () => console.log('cancelled UnaryCall'));
      return;
    }
    const error = failure(request, call, trailers);
    if (error) done(error);
    else done(null, payload(request.response_size), trailers);
  },
  StreamingOutputCall(call) {
    const trailers = begin(call);
    const error = failure(call.request, call, trailers);
    if (error) call.emit('error', error);
    else answer(call, call.request, () => call.end(trailers));
  },
  StreamingInputCall(call, done) {
    const trailers = begin(call);
    let size = 0;
    call.on('data', (request) => { size += request.payload ? request.payload.body.length : 0; });
    call.on('end', () => done(null, {aggregated_payload_size: size}, trailers));
  },
  FullDuplexCall(call) {
    const trailers = begin(call);
    let under_way = 0;
    let ended = false;
    const end = () => {
      if (ended && !under_way) call.end(trailers);
    };
    call.on('data', (request) => {
      const error = failure(request, call, trailers);
      if (error) {
        call.emit('error', error);
        return;
      }
      under_way++;
      answer(call, request, () => {
        under_way--;
        end();
      });
    });
    call.on('end', () => {
      ended = true;
      end();
    });
  },
};

const KNOWN = ['', 'grpc.testing.TestService'];
const health = {
  Check(call, done) {
    if (KNOWN.includes(call.request.service)) done(null, {status: 'SERVING'});
    else done({code: status.NOT_FOUND, details: 'no ' + call.request.service});
  },
  Watch(call) {
    call.write({status: KNOWN.includes(call.request.service) ? 'SERVING' : 'SERVICE_UNKNOWN'});
  },
};

const FILES = {
  'testing.proto': descriptorOf('grpc.testing.SimpleRequest'),
  'health.proto': descriptorOf('grpc.health.v1.HealthCheckRequest'),
};

const reflection = {
  ServerReflectionInfo(call) {
    call.on('data', (request) => {
      const symbol = request.file_containing_symbol || '';
      let name = request.file_by_filename;
      if (symbol.startsWith('grpc.testing.')) name = 'testing.proto';
      if (symbol.startsWith('grpc.health.')) name = 'health.proto';
      if (FILES[name]) call.write({original_request: request, files: {file_descriptor_proto: [FILES[name]]}});
      else call.write({original_request: request, error: {error_code: status.NOT_FOUND}});
    });
    call.on('end', () => call.end());
  },
};

const server = new grpc.Server(given.ping
  ? {'grpc.keepalive_time_ms': Number(given.ping), 'grpc.keepalive_timeout_ms': 10000} : {});
const {UnimplementedCall, ...methods} = definition['grpc.testing.TestService'];
server.addService(methods, test);
server.addService(definition['grpc.health.v1.Health'], health);
for (const version of ['v1', 'v1alpha']) server.addService(reflectionOf(version), reflection);
const [certificate, key] = (given.tls || '').split(',');
const credentials = given.tls
  ? grpc.ServerCredentials.createSsl(null, [{
    private_key: fs.readFileSync(key), cert_chain: fs.readFileSync(certificate)}])
  : grpc.ServerCredentials.createInsecure();
server.bindAsync('127.0.0.1:' + port, credentials, (error) => {
  if (error) throw error;
  console.log('ready');
});
