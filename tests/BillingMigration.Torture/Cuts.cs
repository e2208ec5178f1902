using BillingMigration.Testing.Faults;

namespace BillingMigration.Torture;

/// <summary>Cuts ways at random: every few seconds one of them is silent for a moment, refuses, or loses its connections. From the start until it is disposed.</summary>
internal sealed class Cuts : IAsyncDisposable
{
    private readonly FaultSwitches[] ways;
    private readonly Random random;
    private readonly CancellationTokenSource stop = new();
    private readonly SemaphoreSlim gate = new(1);
    private readonly Task cutting;

    public Cuts(FaultSwitches[] ways, int seed)
    {
        this.ways = ways;
        random = new Random(seed);
        cutting = CutAsync();
    }

    public int Count { get; private set; }

    public int Outages { get; private set; }

    /// <summary>All ways are silent for a time, and nothing else is done to them.</summary>
    public async Task OutageAsync(TimeSpan time, CancellationToken cancellationToken)
    {
        await gate.WaitAsync(cancellationToken);
        try
        {
            SetSilent(true);
            await Task.Delay(time, cancellationToken);
            Outages++;
        }
        finally
        {
            SetSilent(false);
            gate.Release();
        }
    }

    /// <summary>Ends; the ways are whole then.</summary>
    public async Task StopAsync()
    {
        await stop.CancelAsync();
        await cutting.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        SetSilent(false);
        foreach (var way in ways)
        {
            way.RefuseConnections = false;
        }
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        stop.Dispose();
        gate.Dispose();
    }

    private void SetSilent(bool silent)
    {
        foreach (var way in ways)
        {
            way.BlackHole = silent;
        }
    }

    private async Task CutAsync()
    {
        while (true)
        {
            await Task.Delay(random.Next(300, 3_000), stop.Token);
            await gate.WaitAsync(stop.Token);
            var way = ways[random.Next(ways.Length)];
            Count++;
            switch (random.Next(4))
            {
                case 0:
                    way.BlackHole = true;
                    await Task.Delay(random.Next(200, 2_000), stop.Token);
                    way.BlackHole = false;
                    break;
                case 1:
                    way.RefuseConnections = true;
                    way.ResetConnections();
                    await Task.Delay(random.Next(100, 1_500), stop.Token);
                    way.RefuseConnections = false;
                    break;
                default:
                    way.ResetConnections();
                    break;
            }

            gate.Release();
        }
    }
}
