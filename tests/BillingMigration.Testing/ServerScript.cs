using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace BillingMigration.Testing;

/// <summary>
/// Runs one server through its script in <c>tests/servers</c>. Each test process has a data folder of its own under
/// <c>artifacts/test-servers</c>, held by a lock file and used again by the next run; the script ends the server when this process is gone,
/// however it ended.
/// </summary>
internal sealed class ServerScript : IAsyncDisposable
{
    private readonly string name;
    private readonly FileStream slot;
    private readonly Dictionary<string, string> environment;

    private ServerScript(string name, int port, string data, FileStream slot)
    {
        (this.name, this.slot) = (name, slot);
        (Port, Data) = (port, data);
        environment = new()
        {
            ["PORT"] = port.ToString(CultureInfo.InvariantCulture),
            ["DATA"] = data,
            ["OWNER"] = Environment.ProcessId.ToString(CultureInfo.InvariantCulture),
        };
    }

    public int Port { get; }

    public string Data { get; }

    public static Task<ServerScript> StartAsync(string name) => StartAsync(name, new Dictionary<string, string>());

    /// <param name="variables">Environment variables for the server, besides those of this process.</param>
    public static async Task<ServerScript> StartAsync(string name, IReadOnlyDictionary<string, string> variables, params string[] options)
    {
        // A MySQL's data keep how names are compared.
        var (data, slot) = TakeSlot(options.Any(o => o.StartsWith("--lower-case-table-names", StringComparison.Ordinal)) ? $"{name}-names" : name);
        var script = new ServerScript(name, FreePort(), data, slot);
        foreach (var (variable, value) in variables)
        {
            script.environment[variable] = value;
        }

        try
        {
            // What a killed run left on this data folder must be gone before it is used with another port.
            await script.RunAsync("stop");
            await script.RunAsync(["start", .. options]);
            return script;
        }
        catch
        {
            await slot.DisposeAsync();
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        await RunAsync("stop");
        await slot.DisposeAsync();
    }

    private async Task RunAsync(params string[] arguments)
    {
        var script = Repository.PathOf("tests", "servers", name);
        var start = new ProcessStartInfo("bash", [script, Repository.PathOf(".servers", name), .. arguments]) { RedirectStandardError = true, RedirectStandardOutput = true };
        foreach (var (key, value) in environment)
        {
            start.Environment[key] = value;
        }

        using var process = Process.Start(start) ?? throw new InvalidOperationException("bash does not start.");
        using var limit = new CancellationTokenSource(TimeSpan.FromMinutes(10));
        var output = process.StandardOutput.ReadToEndAsync(limit.Token);
        var errors = await process.StandardError.ReadToEndAsync(limit.Token);
        await process.WaitForExitAsync(limit.Token);
        if (process.ExitCode != 0)
        {
            throw new InvalidOperationException($"'{name} {arguments[0]}' ended with {process.ExitCode}: {await output}{errors}");
        }
    }

    private static (string Data, FileStream Slot) TakeSlot(string name)
    {
        var folder = Repository.PathOf("artifacts", "test-servers");
        Directory.CreateDirectory(folder);
        for (var i = 0; ; i++)
        {
            var data = Path.Combine(folder, $"{name}-{i.ToString(CultureInfo.InvariantCulture)}");
            try
            {
                return (data, new FileStream(data + ".slot", FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None));
            }
            catch (IOException) when (i < 100)
            {
                // Held by another test process, or by another server of this one.
            }
        }
    }

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
