#!/usr/bin/env bash
# build/try-packages.sh [KIND...]   tries the packages of artifacts/packages as a newcomer does, and prints what each kind of program weighs
# In a fresh folder, from packages alone: the command makes a checkpoint, and Samples/02-web is published as each KIND of
# framework-dependent, self-contained, trimmed and aot (all of them unless named), and as client, a program generated from the description
# (NSwag). Each is started without a home on a folder that cannot be written to, and every answer is checked. Packs first where there are no
# packages.
set -euo pipefail
# shellcheck source=common.sh
source "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/common.sh"

kinds=(framework-dependent self-contained trimmed aot client)
[[ $# == 0 ]] || kinds=("$@")
packages=$artifacts/packages
width=250
rows=3

# Float32 of one layer: kernels of other widths differ by 1e-7, and a wrong answer by more than 1e-2.
tolerance=1e-5
nswag=14.7.1

require_sdk
command -v curl >/dev/null || fail "this needs curl to ask the programs."
compgen -G "$packages/NativeFfn.AspNetCore.*.nupkg" >/dev/null || "$root/build/pack.sh"
version=$(basename "$packages"/NativeFfn.AspNetCore.[0-9]*.nupkg .nupkg)
version=${version#NativeFfn.AspNetCore.}

work=$(mktemp -d)
server=
trap '[[ -z $server ]] || kill "$server" 2>/dev/null; chmod -R u+w "$work"; rm -rf "$work"' EXIT
chmod 755 "$work"

# Somebody without rights over the folder; for root the rights of a folder are none.
as_stranger() {
    local command=(env -i "PATH=$PATH" "DOTNET_ROOT=$dotnet_root" DOTNET_NOLOGO=1 "$@")
    [[ $(id -u) != 0 ]] || command=(setpriv --reuid 65534 --regid 65534 --clear-groups "${command[@]}")
    exec "${command[@]}"
}

dotnet_root=$(dirname "$(readlink -f "$(command -v dotnet)")")

# Packages of this version may have been restored before from another build: the packages in the folder are taken, and what else there is
# in the user's cache is not fetched again.
project() {
    local folder=$work/$1 cache
    mkdir -p "$folder"
    cache=$(dotnet nuget locals global-packages --list | sed 's/^[^/]*//')
    cat >"$folder/nuget.config" <<CONFIG
<configuration>
  <config><add key="globalPackagesFolder" value="$work/cache" /></config>
  <packageSources><add key="tried" value="$packages" /></packageSources>
  <fallbackPackageFolders><add key="user" value="$work/fallback" /></fallbackPackageFolders>
</configuration>
CONFIG
    [[ -e $work/fallback ]] || {
        mkdir "$work/fallback"
        find "$cache" -mindepth 1 -maxdepth 1 -type d ! -name 'nativeffn*' -exec ln -s {} "$work/fallback/" \; 2>/dev/null || true
    }
}

version_of() { sed -n "s/.*Include=\"$1\" Version=\"\([^\"]*\)\".*/\1/p" "$root/Directory.Packages.props"; }

make_model() {
    say "the command from its package makes a checkpoint ..."
    project tool
    (
        cd "$work/tool"
        quietly "$artifacts/logs/try-tool.log" dotnet tool install NativeFfn.Cli --version "$version" --tool-path "$work/tool/bin"
        export NATIVEFFN_CACHE=$work/tool/cache
        quietly "$artifacts/logs/try-tool.log" bin/nativeffn init --kind swiglu --shape "${width}x682" --layers 2 \
            --sample-input "$rows" --output "$work/model"
        quietly "$artifacts/logs/try-tool.log" bin/nativeffn forward --backend reference --model "$work/model" --layer 1 \
            --input "$work/model/input.safetensors" --output "$work/expected.safetensors"
    )
    numbers_of "$work/model/input.safetensors" >"$work/input.f32"
    numbers_of "$work/expected.safetensors" >"$work/expected.f32"
    chmod -R a+rX "$work/model"
}

# The first tensor's bytes: behind the header, whose length the file begins with.
numbers_of() {
    local header
    header=$(od -An -t u8 -N 8 "$1" | tr -d ' ')
    tail -c "+$((8 + header + 1))" "$1" | head -c $((rows * width * 4))
}

make_web() {
    project web
    cp "$root"/Samples/02-web/{Program.cs,appsettings.json} "$work/web/"
    cat >"$work/web/Web.csproj" <<PROJECT
<Project Sdk="Microsoft.NET.Sdk.Web">
  <PropertyGroup>
    <TargetFramework>net10.0</TargetFramework>
    <Nullable>enable</Nullable>
    <ImplicitUsings>enable</ImplicitUsings>
    <InvariantGlobalization>true</InvariantGlobalization>
    <TreatWarningsAsErrors>true</TreatWarningsAsErrors>
    <IlcInstructionSet>x86-64-v3</IlcInstructionSet>
  </PropertyGroup>
  <ItemGroup>
    <PackageReference Include="NativeFfn.AspNetCore" Version="$version" />
    <PackageReference Include="OpenTelemetry.Exporter.Prometheus.AspNetCore" Version="$(version_of OpenTelemetry.Exporter.Prometheus.AspNetCore)" />
    <PackageReference Include="OpenTelemetry.Extensions.Hosting" Version="$(version_of OpenTelemetry.Extensions.Hosting)" />
  </ItemGroup>
  <!-- An empty ASP.NET application that SDK 10.0.401 trims does not start without this: X509Certificate2Collection loses its GetEnumerator. -->
  <ItemGroup Condition="'\$(PublishTrimmed)' == 'true' and '\$(PublishAot)' != 'true'">
    <TrimmerRootAssembly Include="System.Security.Cryptography" />
  </ItemGroup>
</Project>
PROJECT
}

publish() {
    local arguments=()
    case $1 in
    framework-dependent) ;;
    self-contained) arguments=(-r linux-x64 --self-contained) ;;
    trimmed) arguments=(-r linux-x64 --self-contained -p:PublishTrimmed=true) ;;
    aot) arguments=(-r linux-x64 -p:PublishAot=true) ;;
    *) fail "'$1' is no kind. There are framework-dependent, self-contained, trimmed, aot and client." ;;
    esac
    say "publishing $1 ..."
    quietly "$artifacts/logs/try-$1.log" dotnet publish "$work/web/Web.csproj" -c Release -o "$work/out/$1" "${arguments[@]}" \
        "-p:BaseIntermediateOutputPath=$work/obj/$1/" -p:DebugSymbols=false -p:DebugType=none -p:StripSymbols=true
    rm -f "$work/out/$1"/*.dbg
    chmod -R a-w,a+rX "$work/out/$1"
}

# start KIND: sets 'server', 'http' and 'grpc'.
start() {
    local folder=$work/out/$1 command=(./Web) log=$work/$1.out
    [[ $1 != framework-dependent ]] || command=(dotnet Web.dll)
    (
        cd "$folder"
        as_stranger "${command[@]}" --NativeFfn:Models:model:Path="$work/model" --NativeFfn:Backend=managed \
            --Kestrel:Endpoints:Http:Url=http://127.0.0.1:0 --Kestrel:Endpoints:Grpc:Url=http://127.0.0.1:0
    ) >"$log" 2>&1 &
    server=$!
    for _ in {1..150}; do
        [[ $(grep -c 'Now listening on' "$log" 2>/dev/null) -lt 2 ]] || break
        kill -0 "$server" 2>/dev/null || break
        sleep 0.2
    done

    # Endpoints start in the order of their names: Grpc, Http.
    grpc=$(sed -n 's/.*Now listening on: //p' "$log" | sed -n 1p)
    http=$(sed -n 's/.*Now listening on: //p' "$log" | sed -n 2p)
    [[ -n $http ]] || {
        cat "$log" >&2
        fail "$1 did not start."
    }
}

stop() {
    kill "$server"
    wait "$server" || fail "the program ended with $? when it was told to end."
    server=
}

# ask STATUS ADDRESS ARGS...: the answer's body, which must have that status.
ask() {
    local status=$1 address=$2 got
    shift 2
    got=$(curl -s -o "$work/answer" -w '%{http_code}' "$http$address" "$@") || fail "$address was not answered."
    [[ $got == "$status" ]] || fail "$address was answered $got and not $status: $(head -c 300 "$work/answer")"
    cat "$work/answer"
}

# same FILE: whether float32 numbers are those of the reference.
same() {
    [[ $(stat -c %s "$1") == $((rows * width * 4)) ]] || fail "the answer has $(stat -c %s "$1") bytes."
    paste <(od -An -v -w4 -t f4 "$1") <(od -An -v -w4 -t f4 "$work/expected.f32") | awk -v tolerance="$tolerance" '
        { difference += ($1 - $2)^2; size += $2^2 }
        END { exit !(size > 0 && sqrt(difference / size) <= tolerance) }' || fail "the answer is not that of float64."
}

check() {
    local forward=/v1/layers/model/1/forward binary='Content-Type: application/octet-stream' json='Content-Type: application/json'
    ask 200 /healthz/live >/dev/null
    ask 200 /healthz/ready >/dev/null
    ask 200 /v1/layers | grep -q '"name":"model/1".*"encodings":\["f32"\]' || fail "the list of layers is not what it should be."
    ask 200 "$forward" -H "$binary" --data-binary "@$work/input.f32" >"$work/output.f32"
    same "$work/output.f32"
    {
        printf '{"rows": ['
        od -An -v "-w$((width * 4))" -t f4 "$work/input.f32" | sed 's/^ */[/; s/ *$/]/; s/  */,/g' | paste -sd,
        printf ']}'
    } >"$work/input.json"
    ask 200 "$forward" -H "$json" --data-binary "@$work/input.json" | tr -d '{}[]:"a-z\n' | tr , '\n' |
        awk '{ print }' >"$work/numbers.txt"
    [[ $(grep -c . "$work/numbers.txt") == $((rows * width)) ]] || fail "the JSON has $(grep -c . "$work/numbers.txt") numbers."
    paste "$work/numbers.txt" <(od -An -v -w4 -t f4 "$work/expected.f32") | awk -v tolerance="$tolerance" '
        { difference += ($1 - $2)^2; size += $2^2 }
        END { exit !(size > 0 && sqrt(difference / size) <= tolerance) }' || fail "the JSON is not the answer of float64."
    ask 400 "$forward" -H "$binary" --data-binary '' | grep -q 'urn:nativeffn:bad-rows' || fail "no rows were not refused."
    ask 400 "$forward" -H "$json" -d '{"rows": []}' | grep -q 'urn:nativeffn:bad-rows' || fail "no rows were not refused."
    ask 404 /v1/layers/model/9/forward -H "$binary" --data-binary "@$work/input.f32" >/dev/null
    gzip -c "$work/input.f32" >"$work/input.gz"
    ask 200 "$forward" -H "$binary" -H 'Content-Encoding: gzip' --data-binary "@$work/input.gz" >/dev/null
    head -c -4 "$work/input.gz" >"$work/short.gz"
    ask 400 "$forward" -H "$binary" -H 'Content-Encoding: gzip' --data-binary "@$work/short.gz" >/dev/null
    ask 204 /v1/models/model/reload -X POST >/dev/null
    ask 200 /metrics | grep -q '^nativeffn_tokens_total{.*model/1' || fail "the metrics count no tokens."
    ask 200 /openapi/v1.json >"$work/openapi.json"
    grep -q '/v1/layers/{model}/{index}/forward' "$work/openapi.json" || fail "the description has no forward."

    # An empty message in its frame; the answer's is SERVING.
    printf '\0\0\0\0\0' | curl -s --http2-prior-knowledge -o "$work/health" -H 'Content-Type: application/grpc' -H 'TE: trailers' \
        --data-binary @- "$grpc/grpc.health.v1.Health/Check"
    [[ $(od -An -t x1 "$work/health" | tr -d ' \n') == 00000000020801 ]] || fail "grpc.health.v1 does not say that it serves."
    printf '\0\0\0\0\0' | curl -s --http2-prior-knowledge -o "$work/list" -H 'Content-Type: application/grpc' -H 'TE: trailers' \
        --data-binary @- "$grpc/nativeffn.v1.FeedForward/ListLayers"
    grep -aq 'model/1' "$work/list" || fail "gRPC lists no layers."
}

# A client that was never written by hand: generated from the description, compiled, and told to forward a row.
run_client() {
    say "generating a client from the description ..."
    project client
    cp "$work/openapi.json" "$work/client/"
    (
        cd "$work/client"
        quietly "$artifacts/logs/try-client.log" dotnet tool install NSwag.ConsoleCore --version "$nswag" --tool-path "$work/client/bin"
        quietly "$artifacts/logs/try-client.log" bin/nswag openapi2csclient /input:openapi.json /classname:FfnClient /namespace:Generated \
            /jsonLibrary:SystemTextJson /useBaseUrl:false /output:FfnClient.cs
        cat >Client.csproj <<'PROJECT'
<Project Sdk="Microsoft.NET.Sdk">
  <PropertyGroup>
    <OutputType>Exe</OutputType>
    <TargetFramework>net10.0</TargetFramework>
    <ImplicitUsings>enable</ImplicitUsings>
    <EnableDefaultCompileItems>false</EnableDefaultCompileItems>
  </PropertyGroup>
  <ItemGroup>
    <Compile Include="FfnClient.cs;Program.cs" />
  </ItemGroup>
</Project>
PROJECT
        cat >Program.cs <<'CODE'
using System.Runtime.InteropServices;
using Generated;

// ADDRESS INPUT OUTPUT: float32 rows of a file through the second layer; and a layer that there is not, which is refused.
using var http = new HttpClient { BaseAddress = new Uri(args[0]) };
var client = new FfnClient(http);
int width = (await client.ListLayersAsync()).Layers.Last().InputWidth;
float[] input = MemoryMarshal.Cast<byte, float>(File.ReadAllBytes(args[1])).ToArray();
var request = new FfnRows { Rows = [.. input.Chunk(width)] };
FfnRows reply = await client.ForwardAsync("model", 1, Mode.Ffn, 60, Priority.High, null, request);
File.WriteAllBytes(args[2], MemoryMarshal.AsBytes<float>(reply.Rows.SelectMany(row => row).ToArray()).ToArray());
try
{
    await client.ForwardAsync("model", 9, null, null, null, null, request);
    return 1;
}
catch (ApiException<FfnProblem> refused) when (refused is { StatusCode: 404, Result.Type.OriginalString: "urn:nativeffn:layer-unknown" })
{
    return 0;
}
CODE
        quietly "$artifacts/logs/try-client.log" dotnet build Client.csproj -c Release -o out
        dotnet out/Client.dll "$http" "$work/input.f32" "$work/client.f32"
    ) || fail "the client was not answered as its description says."
    same "$work/client.f32"
    say "a client generated from the description forwards rows, and is told of a layer that there is not"
}

make_model
make_web
for kind in "${kinds[@]}"; do
    [[ $kind != client ]] || continue
    publish "$kind"
    started=$(date +%s%N)
    start "$kind"
    took=$((($(date +%s%N) - started) / 1000000))
    check
    [[ " ${kinds[*]} " != *" client "* || $kind != "${kinds[0]}" ]] || run_client
    stop
    printf '%-20s %6d KiB, %3d files; listens after %d ms; every answer is right\n' \
        "$kind" "$(du -sk --apparent-size "$work/out/$kind" | cut -f1)" "$(find "$work/out/$kind" -type f | wc -l)" "$took"
done
