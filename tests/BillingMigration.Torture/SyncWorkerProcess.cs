using System.Diagnostics;

namespace BillingMigration.Torture;

/// <summary>One life of the sync worker.</summary>
internal sealed class SyncWorkerProcess : IAsyncDisposable
{
    private readonly Process process;
    private readonly Task output;
    private readonly Task<string> errors;

    private SyncWorkerProcess(Process process)
    {
        this.process = process;
        output = ReadAsync();
        errors = process.StandardError.ReadToEndAsync();
    }

    /// <summary>What it last said.</summary>
    public string LastLine { get; private set; } = "started";

    public static SyncWorkerProcess Start(string source, Uri endpoint, string table, string mode)
    {
        string[] arguments = ["exec", typeof(SyncWorkerProcess).Assembly.Location, "sync-worker", endpoint.ToString(), table, mode];
        var start = new ProcessStartInfo("dotnet", arguments) { RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment[ExportWorker.SourceVariable] = source;
        return new SyncWorkerProcess(Process.Start(start) ?? throw new InvalidOperationException("dotnet does not start."));
    }

    /// <summary>Lets it work for a while and kills it.</summary>
    /// <exception cref="InvalidOperationException">It failed by itself.</exception>
    public async Task LiveAsync(TimeSpan life, CancellationToken cancellationToken)
    {
        var exited = process.WaitForExitAsync(cancellationToken);
        if (await Task.WhenAny(exited, Task.Delay(life, cancellationToken)) == exited && !cancellationToken.IsCancellationRequested)
        {
            await output;
            var trouble = await errors;
            if (process.ExitCode != SyncWorker.TryAgain)
            {
                throw new InvalidOperationException($"The worker ended with {process.ExitCode} after \"{LastLine}\": {trouble}");
            }
        }
    }

    /// <summary>Waits for its end.</summary>
    /// <exception cref="InvalidOperationException">It failed.</exception>
    public async Task EndAsync(CancellationToken cancellationToken)
    {
        await process.WaitForExitAsync(cancellationToken);
        await output;
        if (process.ExitCode != 0)
        {
            throw new InvalidOperationException($"The last worker ended with {process.ExitCode} after \"{LastLine}\": {await errors}");
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (!process.HasExited)
        {
            process.Kill();
            await process.WaitForExitAsync();
        }

        process.Dispose();
    }

    private async Task ReadAsync()
    {
        while (await process.StandardOutput.ReadLineAsync() is { } line)
        {
            LastLine = line;
        }
    }
}
