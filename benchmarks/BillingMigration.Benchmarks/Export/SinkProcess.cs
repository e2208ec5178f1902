using System.Diagnostics;
using System.Globalization;

namespace BillingMigration.Benchmarks.Export;

/// <summary>The <see cref="AcceptingSink"/> as a process of its own.</summary>
internal sealed class SinkProcess : IDisposable
{
    private static readonly HttpClient Http = new();
    private readonly Process process;

    private SinkProcess(Process process, Uri endpoint) => (this.process, Endpoint) = (process, endpoint);

    public Uri Endpoint { get; }

    /// <param name="kind"><c>sink</c>, <c>keeping-sink</c>, <c>waiting-sink</c> or <c>indexed-sink</c>.</param>
    public static async Task<SinkProcess> StartAsync(Uri behind, CancellationToken cancellationToken, string kind = "sink")
    {
        var process = Process.Start(ChildProcess.ThisProgram(kind, behind.ToString()))!;
        var address = await process.StandardOutput.ReadLineAsync(cancellationToken);
        return new SinkProcess(process, new Uri(address ?? throw new InvalidOperationException("The sink did not start.")));
    }

    /// <summary>Items that have come in since it started.</summary>
    public async Task<long> ItemsAsync(CancellationToken cancellationToken) =>
        long.Parse(await Http.GetStringAsync(Endpoint, cancellationToken), CultureInfo.InvariantCulture);

    public void Dispose()
    {
        ChildProcess.End(process);
        process.Dispose();
    }
}
