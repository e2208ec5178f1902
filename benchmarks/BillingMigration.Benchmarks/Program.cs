using System.Runtime.InteropServices;
using BillingMigration.Benchmarks.Export;
using BillingMigration.Benchmarks.Integrity;
using BillingMigration.Benchmarks.Lookups;
using BillingMigration.Benchmarks.Store;
using BillingMigration.Benchmarks.Switch;
using BillingMigration.Benchmarks.Sync;
using BillingMigration.Control;

const string Help = """
    Measurements of BillingMigration; see docs/performance.md.
      export    Export-BillingSnapshot: rate beside a bare writer, items per CPU-second, peak memory -> artifacts/bench/export.json
      integrity Test-MigrationIntegrity: rows per CPU-second, wall time beside bare readers, peak memory -> artifacts/bench/integrity.json
      sync      Sync-BillingChanges: row events per CPU-second, rate beside a bare writer, lag, peak memory -> artifacts/bench/sync.json
      lookups   Sync-BillingChanges with keys made of other rows, 1,000,000 items, three kinds of source: lag -> artifacts/bench/lookups.json
                (lookups mysql | mysql_native_fk | mariadb: one of them; lookups dynamodb-local: into DynamoDB Local instead of a table in memory)
      switch    Switch-BillingBackend at 500 calls a second: the longest call, failed calls, the way back after 10,000 writes -> artifacts/bench/switch.json
      store     the billing store: calls of an application on the source and on the table, at 1, 16 and 64 clients -> artifacts/bench/store.json
    """;

using var interrupted = new CancellationTokenSource();
using var onTerm = PosixSignalRegistration.Create(PosixSignal.SIGTERM, End);
using var onInt = PosixSignalRegistration.Create(PosixSignal.SIGINT, End);
try
{
    switch (args)
    {
        case ["export"]:
            return await ExportBenchmark.RunAsync(interrupted.Token) ? 0 : 1;
        case ["integrity"]:
            return await IntegrityBenchmark.RunAsync(interrupted.Token) ? 0 : 1;
        case ["sync"]:
            return await SyncBenchmark.RunAsync(interrupted.Token) ? 0 : 1;
        case ["switch"]:
            return await SwitchBenchmark.RunAsync(interrupted.Token) ? 0 : 1;
        case ["store"]:
            return await StoreBenchmark.RunAsync(interrupted.Token) ? 0 : 1;
        case ["lookups", .. var sources]:
            return await LookupBenchmark.RunAsync(sources, interrupted.Token) ? 0 : 1;
        // The processes that these start, to be measured alone.
        case ["export-worker", var source, var endpoint, var table]:
            await ExportWorker.RunAsync(source, new Uri(endpoint), table, interrupted.Token);
            return 0;
        case ["integrity-worker", var source, var endpoint, var table]:
            await IntegrityWorker.RunAsync(source, new Uri(endpoint), table, interrupted.Token);
            return 0;
        case ["sync-worker", var source, var endpoint, var table, var mode]:
            await SyncWorker.RunAsync(ExportWorker.Migration(source, new Uri(endpoint), table), follow: mode == "follow", interrupted.Token);
            return 0;
        case ["switch-application", var source, var endpoint, var table]:
            await Application.RunAsync(ExportWorker.Migration(source, new Uri(endpoint), table), interrupted.Token);
            return 0;
        case ["switch-bare", var source, var endpoint, var table]:
            await BareCalls.RunAsync(ExportWorker.Migration(source, new Uri(endpoint), table), interrupted.Token);
            return 0;
        case ["switch-run", var source, var endpoint, var table, var to]:
            await SwitchProcess.RunAsync(ExportWorker.Migration(source, new Uri(endpoint), table), Enum.Parse<RouteState>(to), interrupted.Token);
            return 0;
        case ["lookup-worker", var source, var endpoint, var table]:
            await SyncWorker.RunAsync(LookupTable.Bind(source, new Uri(endpoint), table), follow: true, interrupted.Token);
            return 0;
        case ["sdk-worker", var source, var endpoint]:
            await SdkWorker.RunAsync(source, new Uri(endpoint), interrupted.Token);
            return 0;
        case ["sink" or "keeping-sink" or "waiting-sink" or "indexed-sink", var behind]:
            ISinkTable? kept = args[0] switch
            {
                "keeping-sink" => new KeepingSink(TimeSpan.Zero),
                "waiting-sink" => new KeepingSink(IntegrityBenchmark.PageTime),
                "indexed-sink" => new IndexedSink(),
                _ => null,
            };
            await AcceptingSink.RunAsync(new Uri(behind), kept, interrupted.Token);
            return 0;
        default:
            Console.WriteLine(Help);
            return args.Length == 0 ? 0 : 2;
    }
}
catch (OperationCanceledException) when (interrupted.IsCancellationRequested)
{
    await Console.Error.WriteLineAsync("interrupted");
    return 130;
}

void End(PosixSignalContext context)
{
    context.Cancel = true;
    interrupted.Cancel();
}
