using BillingMigration.Model;
using BillingMigration.Store;

namespace BillingMigration.Torture;

/// <summary>A call with a key of the application's own: however often it is made, and by whom, it is done once.</summary>
/// <param name="key">Of the application.</param>
/// <param name="make">The call, as it is made once more.</param>
internal sealed class RepeatedCall(string key, Func<StoreCall> make)
{
    private readonly List<StoreCall> attempts = [];

    public string Key => key;

    /// <summary>Attempts that were done.</summary>
    public int Effects => attempts.Sum(a => a.Effects);

    public StoreCall Again()
    {
        var attempt = make();
        attempt.Once = this;
        attempts.Add(attempt);
        return attempt;
    }

    /// <summary>What is wrong with all attempts together.</summary>
    /// <param name="isKept">Its row is there in the end.</param>
    public IEnumerable<string> CheckEnd(bool isKept)
    {
        if (Effects > 1)
        {
            yield return $"was done {Effects} times with one key";
        }

        if (Effects == 0 && attempts.FirstOrDefault(a => a is { Told: Told.Done, MayBeWithoutEffect: false }) is { } done)
        {
            yield return $"was told {done.Told} and was never done";
        }

        if (attempts.Any(a => a.HasMade) && attempts.Any(a => a is { Told: Told.Done, DidNothing: true }))
        {
            yield return "was told that there was nothing to do, and has done it";
        }

        // That there was nothing to do is an answer that may be kept.
        if (Effects == 1 && !isKept)
        {
            yield return "was done, and its row is not kept";
        }
    }

    public override string ToString() => $"{attempts[0]} (\"{key}\", made {attempts.Count} times)";
}
