using System.Globalization;
using BillingMigration.Testing.Faults;

// faultproxy tcp|http HOST PORT [listen=N] [latency=MS] [bandwidth=BYTES] [throttle=P] [error=P] [partial=P] [reset=P] [lose=P]
// faultproxy sink [listen=N]
// Prints the port it listens on and runs until it is ended or its input closes. P is a probability; seed=N makes it repeatable.
if (args.Length == 0 || (args[0] != "sink" && args.Length < 3))
{
    Console.Error.WriteLine("usage: faultproxy tcp|http HOST PORT [listen=N latency=MS bandwidth=BYTES seed=N throttle=P error=P partial=P reset=P lose=P] | faultproxy sink [listen=N]");
    return 2;
}

var settings = args.Where(a => a.Contains('=')).Select(a => a.Split('=', 2)).ToDictionary(a => a[0], a => double.Parse(a[1], CultureInfo.InvariantCulture));
var listen = (int)settings.GetValueOrDefault("listen");
using var ended = new CancellationTokenSource();
Console.CancelKeyPress += (_, e) =>
{
    e.Cancel = true;
    ended.Cancel();
};

if (args[0] == "sink")
{
    await using var sink = SinkServer.Start(listen);
    await RunAsync(sink.Port);
    return 0;
}

await using var proxy = FaultProxy.Start(args[1], int.Parse(args[2], CultureInfo.InvariantCulture), args[0] == "tcp" ? ProxiedProtocol.Tcp : ProxiedProtocol.Http, listen);
proxy.Faults.Latency = TimeSpan.FromMilliseconds(settings.GetValueOrDefault("latency"));
proxy.Faults.BytesPerSecond = settings.TryGetValue("bandwidth", out var bandwidth) ? (long)bandwidth : null;
var seed = (int)settings.GetValueOrDefault("seed");
foreach (var (name, fault) in new[]
{
    ("throttle", HttpFault.Throttle), ("error", HttpFault.InternalError), ("partial", HttpFault.PartialBatch), ("reset", HttpFault.Reset), ("lose", HttpFault.LoseAnswer),
})
{
    if (settings.TryGetValue(name, out var probability))
    {
        proxy.Faults.Sometimes(probability, seed++, fault);
    }
}

await RunAsync(proxy.Port);
return 0;

async Task RunAsync(int port)
{
    Console.WriteLine(port);
    var input = new StreamReader(Console.OpenStandardInput());
    try
    {
        while (await input.ReadLineAsync(ended.Token) is not null)
        {
        }
    }
    catch (OperationCanceledException)
    {
    }
}
