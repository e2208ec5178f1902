using System.Collections.Concurrent;
using System.Collections.Immutable;
using System.Diagnostics;
using System.Globalization;
using BillingMigration.Store;

namespace BillingMigration.Benchmarks.Switch;

/// <param name="At">When it was due, on the monotonic clock.</param>
/// <param name="Took">From then on: a call that had to wait for a free client has waited.</param>
internal readonly record struct MadeCall(long At, TimeSpan Took, bool Failed, bool IsWrite)
{
    public long AnsweredAt => At + (long)(Took.TotalSeconds * Stopwatch.Frequency);

    public static MadeCall Parse(string text)
    {
        var parts = text.Split(' ');
        return new MadeCall(long.Parse(parts[0], CultureInfo.InvariantCulture), new TimeSpan(long.Parse(parts[1], CultureInfo.InvariantCulture)), bool.Parse(parts[2]), bool.Parse(parts[3]));
    }

    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{At} {Took.Ticks} {Failed} {IsWrite}");
}

/// <summary>Calls of an application at a steady rate, whatever the store does: every tenth posts a charge, the others look at an account.</summary>
internal sealed class SteadyCalls : IAsyncDisposable
{
    /// <summary>As many a second as there are answers to.</summary>
    public const double Unlimited = 1_000_000;

    public const int Accounts = 200;
    public const long FirstAccount = 900_001;

    private const int Clients = 64;
    private const int CallsPerWrite = 10;

    private readonly IBillingStore store;
    private readonly double perSecond;
    private readonly ConcurrentQueue<MadeCall> made = new();
    private readonly CancellationTokenSource stop = new();
    private readonly Task running;
    private readonly long began = Stopwatch.GetTimestamp();
    private long next;
    private long acknowledged;

    public SteadyCalls(IBillingStore store, double perSecond)
    {
        (this.store, this.perSecond) = (store, perSecond);
        running = Task.WhenAll(Enumerable.Range(0, Clients).Select(_ => Task.Run(WorkAsync)));
    }

    public IReadOnlyCollection<MadeCall> Made => made;

    public long Acknowledged => Interlocked.Read(ref acknowledged);

    /// <summary>Makes no more; returns when those under way have ended.</summary>
    public async Task StopAsync()
    {
        await stop.CancelAsync();
        await running;
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        stop.Dispose();
    }

    private async Task WorkAsync()
    {
        while (!stop.IsCancellationRequested)
        {
            var number = Interlocked.Increment(ref next);
            var due = began + (long)(number / perSecond * Stopwatch.Frequency);
            var wait = Stopwatch.GetElapsedTime(Stopwatch.GetTimestamp(), due);
            if (wait > TimeSpan.Zero)
            {
                await Task.Delay(wait, stop.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }

            var failed = false;
            object account = FirstAccount + (number % Accounts);
            try
            {
                if (number % CallsPerWrite == 0)
                {
                    await store.PostChargeAsync(Charge(account));
                    Interlocked.Increment(ref acknowledged);
                }
                else
                {
                    await store.GetAsync(BillingEntity.Account, "account_id", account);
                }
            }
            catch (Exception e) when (e is MigrationException or StoreException)
            {
                failed = true;
            }

            made.Enqueue(new MadeCall(due, Stopwatch.GetElapsedTime(due), failed, number % CallsPerWrite == 0));
        }
    }

    private static ImmutableDictionary<string, object?> Charge(object account) => ImmutableDictionary<string, object?>.Empty
        .Add("account_id", account).Add("charge_type", "USAGE").Add("description", "a call").Add("amount", 0.25m).Add("tax_amount", 0.05m).Add("charged_at", new DateTime(2026, 3, 4));
}
