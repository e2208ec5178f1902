using System.Collections.Immutable;
using System.Diagnostics;
using System.Globalization;
using BillingMigration.Store;

namespace BillingApp;

/// <summary>Clerks who work all at the same time, looking at accounts and posting charges, and a line each second of how that goes.</summary>
internal sealed class Office(IBillingStore store, TextWriter output, TimeProvider time)
{
    private const int Clerks = 8;
    private static readonly TimeSpan Every = TimeSpan.FromSeconds(1);

    private readonly object guard = new();
    private int calls;
    private int failed;
    private int posted;
    private TimeSpan longest;
    private TimeSpan longestOfAll;

    /// <param name="accounts">Works on those with the ids 1 to this.</param>
    /// <param name="end">Ends it.</param>
    public async Task RunAsync(int accounts, CancellationToken end)
    {
        var work = Enumerable.Range(1, Clerks).Select(clerk => Task.Run(() => WorkAsync(new Random(clerk), accounts, end), CancellationToken.None)).ToArray();
        using var timer = new PeriodicTimer(Every, time);
        while (!end.IsCancellationRequested)
        {
            await ((Task)timer.WaitForNextTickAsync(end).AsTask()).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            Show();
        }

        await Task.WhenAll(work);
        Say($"the office closes: {posted} charges posted, {failed} calls failed, the longest took {longestOfAll.TotalMilliseconds:0} ms");
    }

    private async Task WorkAsync(Random random, int accounts, CancellationToken end)
    {
        while (!end.IsCancellationRequested)
        {
            var began = Stopwatch.GetTimestamp();
            var failure = false;
            try
            {
                object account = (long)random.Next(1, accounts + 1);
                if (random.Next(3) == 0)
                {
                    await store.PostChargeAsync(Charge(account), null, CancellationToken.None);
                    Interlocked.Increment(ref posted);
                }
                else
                {
                    await store.GetAsync(BillingEntity.Account, "account_id", account, CancellationToken.None);
                }
            }
            catch (Exception e) when (e is BillingMigration.MigrationException or StoreException)
            {
                failure = true;
                Say($"failed: {e.Message}");
            }

            Count(Stopwatch.GetElapsedTime(began), failure);
        }
    }

    private ImmutableDictionary<string, object?> Charge(object account) => ImmutableDictionary<string, object?>.Empty
        .Add("account_id", account).Add("charge_type", "USAGE").Add("description", "a call").Add("amount", 0.25m).Add("tax_amount", 0.05m).Add("charged_at", time.GetUtcNow().UtcDateTime);

    private void Count(TimeSpan took, bool failure)
    {
        lock (guard)
        {
            calls++;
            failed += failure ? 1 : 0;
            longest = took > longest ? took : longest;
            longestOfAll = took > longestOfAll ? took : longestOfAll;
        }
    }

    private void Show()
    {
        lock (guard)
        {
            var side = store is RoutedBillingStore routed ? routed.Route.State.ToString() : "";
            Say($"{time.GetLocalNow():HH:mm:ss}  {side,-9}{calls,6} calls, {failed} failed, the longest {longest.TotalMilliseconds:0} ms");
            (calls, longest) = (0, TimeSpan.Zero);
        }
    }

    private void Say(FormattableString line)
    {
        lock (guard)
        {
            output.WriteLine(line.ToString(CultureInfo.InvariantCulture));
            output.Flush();
        }
    }
}
