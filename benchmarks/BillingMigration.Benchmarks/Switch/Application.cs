using System.Diagnostics;
using System.Globalization;
using BillingMigration.Benchmarks.Export;
using BillingMigration.Store;
using BillingMigration.Testing;

namespace BillingMigration.Benchmarks.Switch;

/// <summary>The application, as a process of its own: it opens its store once, and knows nothing of a switch. What it has seen is asked for over its standard streams.</summary>
internal sealed class Application : IDisposable
{
    private const string Count = "count";
    private const string Calls = "calls";
    private const string Stop = "stop";
    private const string End = "end";

    private readonly Process process;

    private Application(Process process) => this.process = process;

    public static async Task<Application> StartAsync(SampleMigration migration, string source, CancellationToken cancellationToken)
    {
        var start = ChildProcess.ThisProgram("switch-application", source, migration.Definition.Target.EndpointUrl!.ToString(), migration.Table);
        start.RedirectStandardInput = true;
        var application = new Application(Process.Start(start)!);
        await application.LineAsync(cancellationToken);
        return application;
    }

    /// <summary>Writes that were acknowledged.</summary>
    public async Task<long> CountAsync(CancellationToken cancellationToken) => long.Parse(await AskAsync(Count, cancellationToken), CultureInfo.InvariantCulture);

    /// <summary>All calls so far; points in time are those of the machine's monotonic clock.</summary>
    public async Task<IReadOnlyList<MadeCall>> CallsAsync(CancellationToken cancellationToken)
    {
        var calls = new List<MadeCall>();
        for (var line = await AskAsync(Calls, cancellationToken); line != End; line = await LineAsync(cancellationToken))
        {
            calls.Add(MadeCall.Parse(line));
        }

        return calls;
    }

    /// <summary>Makes no more calls.</summary>
    public Task StopAsync(CancellationToken cancellationToken) => AskAsync(Stop, cancellationToken);

    public void Dispose()
    {
        ChildProcess.End(process);
        process.Dispose();
    }

    /// <summary>The process itself.</summary>
    public static async Task RunAsync(SampleMigration migration, CancellationToken cancellationToken)
    {
        await using var store = await RoutedBillingStore.OpenAsync(migration.Definition, migration.Credential, SampleMigration.Access, null, TimeProvider.System, cancellationToken);
        await using var calls = new SteadyCalls(store, SwitchBenchmark.CallsPerSecond);
        Console.WriteLine("ready");
        while (await Console.In.ReadLineAsync(cancellationToken) is { } question)
        {
            switch (question)
            {
                case Count:
                    Console.WriteLine(calls.Acknowledged);
                    break;
                case Calls:
                    Console.WriteLine(string.Join('\n', calls.Made.Select(c => c.ToString()).Append(End)));
                    break;
                case Stop:
                    await calls.StopAsync();
                    Console.WriteLine(End);
                    break;
            }
        }
    }

    private async Task<string> AskAsync(string question, CancellationToken cancellationToken)
    {
        await process.StandardInput.WriteLineAsync(question.AsMemory(), cancellationToken);
        await process.StandardInput.FlushAsync(cancellationToken);
        return await LineAsync(cancellationToken);
    }

    private async Task<string> LineAsync(CancellationToken cancellationToken) =>
        await process.StandardOutput.ReadLineAsync(cancellationToken) ?? throw new InvalidOperationException("The application has ended.");
}
