// node check.mjs FILE...: every document against the schema of its kind. A LeaderWorkerSet is no kind of Kubernetes' own: its pods' templates
// are held to theirs, and the rest to what its API reference says.
import fs from "node:fs";
import YAML from "yaml";

const podTemplate = (value) => validate("CoreV1PodTemplateSpec", value);

// Keys that there may be, and the values where they are few.
const leaderWorkerSet = {
  replicas: Number, startupPolicy: ["LeaderCreated", "LeaderReady"],
  rolloutStrategy: { type: ["RollingUpdate"], rollingUpdateConfiguration: { partition: Number, maxUnavailable: null, maxSurge: null } },
  networkConfig: { subdomainPolicy: ["Shared", "UniquePerReplica"] },
  leaderWorkerTemplate: {
    size: Number, restartPolicy: ["RecreateGroupOnPodRestart", "RecreateGroupAfterStart", "None"],
    leaderTemplate: podTemplate, workerTemplate: podTemplate,
  },
};

// The schemas let keys pass that they do not know, and read all others: what is left unread is a mistake.
async function validate(name, value) {
  const schema = await import(`kubernetes-models/_schemas/IoK8sApi${name}`);
  const watches = [];
  const watch = (part, path) => {
    if (part === null || typeof part !== "object") return part;
    const read = new Map();
    watches.push({ part, path, read });
    return new Proxy(part, {
      get(target, key) {
        if (typeof key === "string" && Object.hasOwn(target, key) && !read.has(key)) read.set(key, watch(target[key], `${path}.${key}`));
        return read.get(key) ?? target[key];
      },
    });
  };
  if (!schema.validate(watch(value, ""))) {
    throw new Error(schema.validate.errors.map((error) => `${error.instancePath} ${error.keyword} ${JSON.stringify(error.params)}`).join(", "));
  }

  for (const { part, path, read } of watches) {
    for (const key of Object.keys(part)) if (!read.has(key)) throw new Error(`${path}.${key} is no key there`);
  }
}

async function hold(value, shape, path) {
  if (shape === Number) {
    if (!Number.isInteger(value) || value < 0) throw new Error(`${path} is ${value}, which is no number from 0 on`);
  } else if (Array.isArray(shape)) {
    if (!shape.includes(value)) throw new Error(`${path} is ${value}; there are ${shape.join(", ")}`);
  } else if (typeof shape === "function") {
    await shape(value);
  } else if (shape !== null) {
    for (const [key, inner] of Object.entries(value)) {
      if (!(key in shape)) throw new Error(`${path}.${key} is no key; there are ${Object.keys(shape).join(", ")}`);
      await hold(inner, shape[key], `${path}.${key}`);
    }
  }
}

async function check(document) {
  if (document.apiVersion === "leaderworkerset.x-k8s.io/v1" && document.kind === "LeaderWorkerSet") {
    await hold(document.spec, leaderWorkerSet, "spec");
    if (!document.spec.leaderWorkerTemplate?.workerTemplate) throw new Error("spec.leaderWorkerTemplate.workerTemplate is missing");
    return;
  }

  // v1 is the core's; networking.k8s.io/v1 has the name of its first part.
  const [version, group] = document.apiVersion.split("/").reverse();
  const title = (word) => word[0].toUpperCase() + word.slice(1);
  await validate(title((group ?? "core").split(".")[0]) + title(version) + document.kind, document);
}

let failed = false;
let count = 0;
for (const file of process.argv.slice(2)) {
  for (const document of YAML.parseAllDocuments(fs.readFileSync(file, "utf8"), { uniqueKeys: true })) {
    if (document.errors.length > 0) throw document.errors[0];
    const value = document.toJS();
    count++;
    try {
      await check(value);
      console.log(`${file}: ${value.kind} ${value.metadata.name}: valid`);
    } catch (error) {
      failed = true;
      console.error(`${file}: ${value.kind} ${value.metadata?.name}: ${error.message}`);
    }
  }
}

if (failed || count === 0) process.exit(1);
