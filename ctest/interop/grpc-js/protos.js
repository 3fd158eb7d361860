// What both peers of grpc-js have in common: grpc.testing, health and reflection, and their descriptors.
'use strict';
const path = require('path');
const grpc = require('@grpc/grpc-js');
const loader = require('@grpc/proto-loader');

const DATA = path.join(__dirname, '..', '..', 'specs', 'data');
const NAMES = ['testing.proto', 'health.proto', 'reflection.proto'];
const definition = loader.loadSync(NAMES, {
  keepCase: true, longs: String, enums: String, defaults: true, oneofs: true, includeDirs: [DATA],
});

/** The FileDescriptorProto of the file that a message stands in; the loader gives those of all files. */
function descriptorOf(message) {
  const name = message.split('.').pop();
  return definition[message].fileDescriptorProtos.find((file) => file.includes(name));
}

/** The reflection service under another version's name. */
function reflectionOf(version) {
  const methods = {};
  for (const [name, method] of Object.entries(definition['grpc.reflection.v1.ServerReflection'])) {
    methods[name] = {...method, path: method.path.replace('.v1.', '.' + version + '.')};
  }
  return methods;
}

/** As protobuf writes a field of bytes, of text, or of a number below 128. */
function field(number, value) {
  if (typeof value === 'number') return Buffer.from([number << 3, value]);
  const bytes = Buffer.from(value);
  return Buffer.concat([Buffer.from([(number << 3) | 2, bytes.length]), bytes]);
}

/** google.rpc.Status with grpc.testing.EchoStatus for its detail: what grpc-status-details-bin holds. */
function richStatus(code, message) {
  const detail = Buffer.concat([field(1, code), field(2, message)]);
  const any = Buffer.concat([field(1, 'type.googleapis.com/grpc.testing.EchoStatus'), field(2, detail)]);
  return Buffer.concat([field(1, code), field(2, message), field(3, any)]);
}

module.exports = {grpc, definition, descriptorOf, reflectionOf, richStatus};
