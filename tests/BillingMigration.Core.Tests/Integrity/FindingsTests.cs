using System.Text;
using BillingMigration.Control;
using BillingMigration.Integrity;
using BillingMigration.Source;
using FsCheck;
using FsCheck.Fluent;

namespace BillingMigration.Tests.Integrity;

/// <summary>
/// No limit, race or interruption makes a verdict pass over what differs: suspects of every kind, found by several readers at the same time, some of them twice, with small and large limits.
/// </summary>
public sealed class FindingsTests
{
    private static readonly SourcePosition Here = new() { Flavor = SourceFlavor.MySql, ServerIdentity = "s", File = "f", Offset = 1 };

    private enum Truth
    {
        /// <summary>Was on its way when it was seen.</summary>
        Equal,
        Different,

        /// <summary>Changes too fast to be looked at.</summary>
        Restless,
    }

    [Fact]
    public void A_verdict_passes_only_when_nothing_differs_and_nothing_is_open() => Prop.ForAll(Cases().ToArbitrary(), c =>
    {
        var truths = c.Truths;
        var calls = 0;
        using var findings = new Findings(
            c.Most,
            async (part, _) =>
            {
                await Task.Yield();
                Assert.InRange(part.Count, 1, c.Batch);
                var stands = ++calls > c.StandsStillAfter;
                var open = part.Where(s => truths[Number(s)] == Truth.Restless || stands).ToList();
                return new Resolution(
                    [.. part.Except(open).Where(s => truths[Number(s)] == Truth.Different).Select(s => (new Examined(s, null, [1], null, default), Here))], open, open.Count > 0 ? "open" : null, stands);
            },
            null, c.Batch);
        FindAsync(findings, truths.Length, c.Readers).GetAwaiter().GetResult();
        var confirmed = findings.Counts.Values.Sum();
        var outcome = VerdictBuilder.Judge(confirmed, findings.Undecided, isConsistent: true);

        Assert.Equal(truths.All(t => t == Truth.Equal) && c.StandsStillAfter >= calls, outcome == IntegrityOutcome.Passed);
        Assert.True(outcome != IntegrityOutcome.Failed || truths.Contains(Truth.Different));
        Assert.True(findings.Confirmed.Count <= c.Most);
        if (c.StandsStillAfter >= calls && !truths.Contains(Truth.Restless))
        {
            Assert.Equal(truths.Contains(Truth.Different), outcome == IntegrityOutcome.Failed);
            Assert.True(findings.Confirmed.Count == Math.Min(c.Most, truths.Count(t => t == Truth.Different)) || confirmed >= c.Most);
        }

        Assert.Equal(IntegrityOutcome.NotDecidable, VerdictBuilder.Judge(0, 0, isConsistent: false));
    }).Check(Config.QuickThrowOnFailure.WithMaxTest(500));

    private static int Number(Suspect suspect) => int.Parse(suspect.KeyText, System.Globalization.CultureInfo.InvariantCulture);

    private static async Task FindAsync(Findings findings, int suspects, int readers)
    {
        await Parallel.ForAsync(0, readers, async (reader, token) =>
        {
            // Each key is seen by two readers.
            for (var i = 0; i < suspects; i++)
            {
                if (i % readers == reader || (i + 1) % readers == reader)
                {
                    findings.Add(new Suspect(i % 3, Encoding.ASCII.GetBytes(i.ToString(System.Globalization.CultureInfo.InvariantCulture)), null, DifferenceKind.Missing));
                    await findings.SettleAsync(token);
                }
            }
        });
        await findings.SettleAllAsync(async (part, token) => await findings.ResolveAsync(part, token), TestContext.Current.CancellationToken);
    }

    private static Gen<Case> Cases() =>
        from truths in Gen.Frequency((6, Gen.Constant(Truth.Equal)), (1, Gen.Constant(Truth.Different)), (1, Gen.Constant(Truth.Restless))).ListOf().Where(l => l.Count > 0)
        from onlyEqual in Gen.Choose(0, 2)
        from most in Gen.Choose(0, 5)
        from batch in Gen.Choose(1, 20)
        from readers in Gen.Choose(1, 4)
        from stands in Gen.Frequency((5, Gen.Constant(int.MaxValue)), (1, Gen.Choose(0, 3)))
        select new Case([.. onlyEqual == 0 ? truths.Select(_ => Truth.Equal) : onlyEqual == 1 ? truths.Where(t => t != Truth.Restless).Append(Truth.Equal) : truths], most, batch, readers, stands);

    private sealed record Case(Truth[] Truths, int Most, int Batch, int Readers, int StandsStillAfter)
    {
        public override string ToString() => $"{string.Join(' ', Truths)}; keep {Most}, {Batch} at once, {Readers} readers, stands still after {StandsStillAfter}";
    }
}
