using System.Collections.Immutable;
using System.Globalization;

namespace BillingMigration.Store;

/// <summary>
/// Names of the columns that billing operations read and write; those of the sample schema unless told otherwise.
/// </summary>
public sealed record BillingColumns
{
    public string AccountId { get; init; } = "account_id";

    public string Balance { get; init; } = "balance";

    public string BillId { get; init; } = "bill_id";

    public string BillStatus { get; init; } = "status";

    public string Subtotal { get; init; } = "subtotal";

    public string Tax { get; init; } = "tax_amount";

    public string Total { get; init; } = "total";

    public string AmountPaid { get; init; } = "amount_paid";

    public string PaidAt { get; init; } = "paid_at";

    public string ChargeAmount { get; init; } = "amount";

    public string ChargeTax { get; init; } = "tax_amount";

    public string PaidStatus { get; init; } = "PAID";
}

/// <summary>
/// What billing does with several rows at once. Each reads, decides and writes in one unit; when another was quicker, it reads and decides again. Nothing is posted or paid twice.
/// </summary>
public static class BillingOperations
{
    /// <summary>How long a call goes on against others that change the same.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(1);

    private static readonly BillingColumns Sample = new();

    /// <summary>Inserts a charge and adds its amount with tax to the account's balance.</summary>
    /// <param name="charge">Values of the charge, its account among them.</param>
    public static async Task<BillingRecord> PostChargeAsync(
        this IBillingStore store, IReadOnlyDictionary<string, object?> charge, BillingColumns? columns = null, CancellationToken cancellationToken = default)
    {
        var names = columns ?? Sample;
        if (charge.GetValueOrDefault(names.AccountId) is not { } id)
        {
            throw new StoreException(StoreError.ValueMissing, names.AccountId, $"A charge is posted to an account: pass {names.AccountId}.");
        }

        var sum = Amount(charge, names.ChargeAmount) + Amount(charge, names.ChargeTax);
        try
        {
            // Neither the charge nor the sum rests on anything that was read.
            var work = new UnitOfWork().Insert(BillingEntity.Charge, charge).Add(BillingEntity.Account, Key(names.AccountId, id), names.Balance, sum);
            return (await store.WriteAsync(work, cancellationToken))[0]!;
        }
        catch (StoreException e) when (e.Error == StoreError.Conflict && e.Subject == BillingEntity.Account)
        {
            throw NoAccount(names, id);
        }
    }

    /// <summary>Makes a bill of an account's unbilled charges: their sums are the bill's, and they are billed with it.</summary>
    /// <param name="bill">Values of the bill without its sums.</param>
    /// <returns>The bill; null: there was nothing to bill.</returns>
    public static Task<BillingRecord?> RunBillAsync(
        this IBillingStore store, object account, IReadOnlyDictionary<string, object?> bill, BillingColumns? columns = null, CancellationToken cancellationToken = default)
    {
        var names = columns ?? Sample;
        return RetryAsync(
            store, () => account,
            async () =>
            {
                var query = new RecordQuery(BillingEntity.Charge).Where(names.AccountId, account).Where(names.BillId, null);
                var values = bill.ToImmutableDictionary().SetItem(names.AccountId, account);
                if (ILargeUnits.Of(store) is { } large)
                {
                    return await large.RunBillAsync(values.SetItems(Sums(0, 0, names)), names, cancellationToken);
                }

                var unbilled = await store.ListAsync(query, cancellationToken);
                if (unbilled.Count == 0)
                {
                    return null;
                }

                values = values.SetItems(Sums(unbilled.Sum(c => Amount(c, names.ChargeAmount)), unbilled.Sum(c => Amount(c, names.ChargeTax)), names));
                var work = unbilled.Aggregate(new UnitOfWork().Insert(BillingEntity.Bill, values), (unit, charge) => unit.Update(charge, Change(names.BillId, new ValueOf(0, names.BillId))));
                return (await store.WriteAsync(work, cancellationToken))[0];
            },
            cancellationToken);
    }

    /// <summary>Adds a payment to a bill, takes it from the account's balance, and marks the bill as paid when nothing is left.</summary>
    /// <param name="at">When it was paid, in UTC.</param>
    public static Task<BillingRecord> PayAsync(
        this IBillingStore store, object bill, decimal amount, DateTime at, BillingColumns? columns = null, CancellationToken cancellationToken = default)
    {
        var names = columns ?? Sample;
        var of = bill;
        return RetryAsync(
            store, () => of,
            async () =>
            {
                var found = await store.GetAsync(BillingEntity.Bill, names.BillId, bill, cancellationToken)
                    ?? throw new StoreException(StoreError.ParentMissing, names.BillId, $"There is no bill {bill} to pay.");
                of = found[names.AccountId]!;
                var paid = found.Get<decimal>(names.AmountPaid) + amount;
                if (amount > 0 && paid > found.Get<decimal>(names.Total))
                {
                    throw new StoreException(StoreError.ValueInvalid, names.AmountPaid, $"The payment is more than what is open of bill {bill}. Take what is open, and add the rest to the account as a charge below zero.");
                }

                var values = Change(names.AmountPaid, paid);
                if (paid >= found.Get<decimal>(names.Total))
                {
                    values = values.SetItem(names.BillStatus, names.PaidStatus).SetItem(names.PaidAt, DateTime.SpecifyKind(at, DateTimeKind.Unspecified));
                }

                var work = new UnitOfWork().Update(found, values).Add(BillingEntity.Account, Key(names.AccountId, of), names.Balance, -amount);
                return (await store.WriteAsync(work, cancellationToken))[0]!;
            },
            cancellationToken);
    }

    /// <summary>Sums of a bill as its columns have them.</summary>
    internal static IReadOnlyDictionary<string, object?> Sums(decimal subtotal, decimal tax, BillingColumns names) =>
        Change(names.Subtotal, Round(subtotal)).Add(names.Tax, Round(tax)).Add(names.Total, Round(subtotal) + Round(tax));

    /// <summary>NULL adds nothing, as in SUM.</summary>
    internal static decimal Amount(BillingRecord charge, string column) => charge[column] is null ? 0 : charge.Get<decimal>(column);

    private static StoreException NoAccount(BillingColumns names, object id) => new(StoreError.ParentMissing, names.AccountId, $"There is no account {id}.");

    private static ImmutableDictionary<string, object> Key(string column, object value) => ImmutableDictionary<string, object>.Empty.Add(column, value);

    /// <param name="account">On which others may be quicker.</param>
    private static async Task<T> RetryAsync<T>(IBillingStore store, Func<object> account, Func<Task<T>> decide, CancellationToken cancellationToken)
    {
        var clock = IRetryClock.Of(store);
        var began = clock.Time.GetTimestamp();
        IDisposable? turn = null;
        try
        {
            for (var attempt = 1; ; attempt++)
            {
                try
                {
                    return await decide();
                }
                catch (StoreException e) when (e.Error == StoreError.Conflict && clock.Time.GetElapsedTime(began) < Patience)
                {
                    if (turn is null)
                    {
                        turn = await Turns.Of(store).TakeAsync(Convert.ToString(account(), CultureInfo.InvariantCulture)!, cancellationToken);
                    }
                    else
                    {
                        // Those who lost against others wait longer each time, and not all alike.
                        await Task.Delay(TimeSpan.FromMilliseconds(1 + (clock.NextRandom() * Math.Min(500, 5 * attempt))), clock.Time, cancellationToken);
                    }
                }
            }
        }
        finally
        {
            turn?.Dispose();
        }
    }

    private static decimal Amount(IReadOnlyDictionary<string, object?> values, string column) =>
        values.GetValueOrDefault(column) is { } amount ? Convert.ToDecimal(amount, CultureInfo.InvariantCulture) : 0;

    private static decimal Round(decimal sum) => Math.Round(sum, 2, MidpointRounding.AwayFromZero);

    private static ImmutableDictionary<string, object?> Change(string column, object? value) => ImmutableDictionary<string, object?>.Empty.Add(column, value);
}
