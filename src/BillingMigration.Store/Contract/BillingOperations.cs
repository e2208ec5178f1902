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

    public string CallKey { get; init; } = "call_key";

    public string CallAnswer { get; init; } = "answer";

    public string CallMadeAt { get; init; } = "made_at";
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
    public static Task<BillingRecord> PostChargeAsync(
        this IBillingStore store, IReadOnlyDictionary<string, object?> charge, BillingColumns? columns = null, CancellationToken cancellationToken = default) =>
        PostAsync(store, charge, null, columns ?? Sample, cancellationToken);

    /// <inheritdoc cref="PostChargeAsync(IBillingStore, IReadOnlyDictionary{string, object?}, BillingColumns?, CancellationToken)"/>
    /// <param name="key">Makes the call safe to repeat: see <see cref="UnitOfWork.Once"/>.</param>
    /// <exception cref="StoreException"><see cref="StoreError.Conflict"/>: the call was made before, and its row was deleted since.</exception>
    public static Task<BillingRecord> PostChargeAsync(
        this IBillingStore store, IReadOnlyDictionary<string, object?> charge, string key, BillingColumns? columns = null, CancellationToken cancellationToken = default) =>
        PostAsync(store, charge, key, columns ?? Sample, cancellationToken);

    /// <summary>Makes a bill of an account's unbilled charges: their sums are the bill's, and they are billed with it.</summary>
    /// <remarks>Subtotal and tax are added up exactly, then rounded to the decimals of their columns; the total is their sum as they are stored.</remarks>
    /// <param name="bill">Values of the bill without its sums.</param>
    /// <returns>The bill; null: there was nothing to bill.</returns>
    /// <exception cref="StoreException"><see cref="StoreError.ValueInvalid"/>: a sum does not fit, or the total has more decimals than its column.</exception>
    public static Task<BillingRecord?> RunBillAsync(
        this IBillingStore store, object account, IReadOnlyDictionary<string, object?> bill, BillingColumns? columns = null, CancellationToken cancellationToken = default) =>
        RunBillOnceAsync(store, account, bill, null, columns ?? Sample, cancellationToken);

    /// <inheritdoc cref="RunBillAsync(IBillingStore, object, IReadOnlyDictionary{string, object?}, BillingColumns?, CancellationToken)"/>
    /// <param name="key">Makes the call safe to repeat: see <see cref="UnitOfWork.Once"/>. That there was nothing to bill is an answer too, and stays it.</param>
    /// <exception cref="StoreException"><see cref="StoreError.Conflict"/>: the call was made before, and its bill was deleted since, or is not finished yet.</exception>
    public static Task<BillingRecord?> RunBillAsync(
        this IBillingStore store, object account, IReadOnlyDictionary<string, object?> bill, string key, BillingColumns? columns = null, CancellationToken cancellationToken = default) =>
        RunBillOnceAsync(store, account, bill, key, columns ?? Sample, cancellationToken);

    /// <summary>Adds a payment to a bill, takes it from the account's balance, and marks the bill as paid when nothing is left.</summary>
    /// <remarks>
    /// An amount below zero is a refund of what was paid: the account owes it again. A bill that is marked as paid stays so, with its date, also when
    /// the refund leaves something open of it: what status it has then is for the application to say, with an update.
    /// </remarks>
    /// <param name="amount">
    /// With no more decimals than the bill and the account have; not more than what is open, and a refund not more than what was paid.
    /// </param>
    /// <param name="at">When it was paid, in UTC.</param>
    public static Task<BillingRecord> PayAsync(
        this IBillingStore store, object bill, decimal amount, DateTime at, BillingColumns? columns = null, CancellationToken cancellationToken = default) =>
        PayOnceAsync(store, bill, amount, at, null, columns ?? Sample, cancellationToken);

    /// <inheritdoc cref="PayAsync(IBillingStore, object, decimal, DateTime, BillingColumns?, CancellationToken)"/>
    /// <param name="key">Makes the call safe to repeat: see <see cref="UnitOfWork.Once"/>.</param>
    /// <exception cref="StoreException"><see cref="StoreError.Conflict"/>: the call was made before, and its row was deleted since.</exception>
    public static Task<BillingRecord> PayAsync(
        this IBillingStore store, object bill, decimal amount, DateTime at, string key, BillingColumns? columns = null, CancellationToken cancellationToken = default) =>
        PayOnceAsync(store, bill, amount, at, key, columns ?? Sample, cancellationToken);

    /// <summary>Names a bill run in the answer that is kept of it.</summary>
    internal static string RunBillOf(object account) => string.Create(CultureInfo.InvariantCulture, $"RunBill {account}");

    /// <param name="key">Null: the call has none.</param>
    internal static async Task<BillingRecord?> RunBillOnceAsync(
        this IBillingStore store, object account, IReadOnlyDictionary<string, object?> bill, string? key, BillingColumns names, CancellationToken cancellationToken)
    {
        var call = RunBillOf(account);
        var made = await RetryAsync(store, () => account, () => OnceAsync(store, key, call, names, DecideAsync, cancellationToken), cancellationToken);
        return made is [] ? null : made[0] ?? throw StoreErrors.MadeAndGone(BillingEntity.Bill);

        async Task<ImmutableArray<BillingRecord?>> DecideAsync()
        {
            var values = bill.ToImmutableDictionary().SetItem(names.AccountId, account);
            if (ILargeUnits.Of(store) is { } large)
            {
                return await large.RunBillAsync(values.SetItems(Sums(0, 0, names)), names, key, cancellationToken) is { } one ? [one] : await NothingAsync();
            }

            var unbilled = await store.ListAsync(new RecordQuery(BillingEntity.Charge).Where(names.AccountId, account).Where(names.BillId, null), cancellationToken);
            if (unbilled.Count == 0)
            {
                return await NothingAsync();
            }

            values = values.SetItems(Sums(unbilled.Sum(c => Amount(c, names.ChargeAmount)), unbilled.Sum(c => Amount(c, names.ChargeTax)), names));
            var unit = new UnitOfWork { Key = key, Names = names, Call = call, Answered = 1 }.Insert(BillingEntity.Bill, values);
            var rows = await store.WriteAsync(unbilled.Aggregate(unit, (work, charge) => work.Update(charge, Change(names.BillId, new ValueOf(0, names.BillId)))), cancellationToken);
            // Empty: the same call was quicker, and had nothing to bill.
            return rows is [var made, ..] ? [made] : [];
        }

        async Task<ImmutableArray<BillingRecord?>> NothingAsync() =>
            key is null ? [] : await store.WriteAsync(new UnitOfWork { Key = key, Names = names, Call = call }, cancellationToken);
    }

    private static async Task<BillingRecord> PostAsync(IBillingStore store, IReadOnlyDictionary<string, object?> charge, string? key, BillingColumns names, CancellationToken cancellationToken)
    {
        if (charge.GetValueOrDefault(names.AccountId) is not { } id)
        {
            throw new StoreException(StoreError.ValueMissing, names.AccountId, $"A charge is posted to an account: pass {names.AccountId}.");
        }

        var sum = Amount(charge, names.ChargeAmount) + Amount(charge, names.ChargeTax);
        try
        {
            // Neither the charge nor the sum rests on anything that was read.
            var work = new UnitOfWork { Call = string.Create(CultureInfo.InvariantCulture, $"PostCharge {id}") }.Insert(BillingEntity.Charge, charge).Add(BillingEntity.Account, Key(names.AccountId, id), names.Balance, sum);
            return (await store.WriteAsync(key is null ? work : work.Once(key, names), cancellationToken))[0] ?? throw StoreErrors.MadeAndGone(BillingEntity.Charge);
        }
        catch (StoreException e) when (e.Error == StoreError.Conflict && e.Subject == BillingEntity.Account)
        {
            throw NoAccount(names, id);
        }
    }

    private static async Task<BillingRecord> PayOnceAsync(IBillingStore store, object bill, decimal amount, DateTime at, string? key, BillingColumns names, CancellationToken cancellationToken)
    {
        var of = bill;
        var call = string.Create(CultureInfo.InvariantCulture, $"Pay {bill}");
        var made = await RetryAsync(store, () => of, () => OnceAsync(store, key, call, names, DecideAsync, cancellationToken), cancellationToken);
        return made[0] ?? throw StoreErrors.MadeAndGone(BillingEntity.Bill);

        async Task<ImmutableArray<BillingRecord?>> DecideAsync()
        {
            var found = await store.GetAsync(BillingEntity.Bill, names.BillId, bill, cancellationToken)
                ?? throw new StoreException(StoreError.ParentMissing, names.BillId, $"There is no bill {bill} to pay.");
            of = found[names.AccountId]!;
            // Bill and account take the same amount: what either would round is refused, of the account when the unit is planned.
            ChangePlanner.RequireDecimals(found.Model, StoreColumns.Find(found.Model, names.AmountPaid), amount);
            var paid = found.Get<decimal>(names.AmountPaid) + amount;
            if (amount > 0 && paid > found.Get<decimal>(names.Total))
            {
                throw new StoreException(StoreError.ValueInvalid, names.AmountPaid, $"The payment is more than what is open of bill {bill}. Take what is open, and add the rest to the account as a charge below zero.");
            }

            // What a bill below zero gives back was never paid.
            if (amount < 0 && paid < Math.Min(0, found.Get<decimal>(names.Total)))
            {
                throw new StoreException(
                    StoreError.ValueInvalid, names.AmountPaid,
                    $"The refund is more than what was paid of bill {bill}. Pay back what was paid, and add the rest to the account as a charge.");
            }

            var values = Change(names.AmountPaid, paid);
            var total = found.Get<decimal>(names.Total);
            var isPaid = total < 0 ? paid <= total : paid >= total;
            if (isPaid && (amount != 0 || !names.PaidStatus.Equals(found[names.BillStatus])))
            {
                values = values.SetItem(names.BillStatus, names.PaidStatus).SetItem(names.PaidAt, DateTime.SpecifyKind(at, DateTimeKind.Unspecified));
            }

            var work = new UnitOfWork { Key = key, Names = names, Call = call }.Update(found, values)
                .AddExactly(BillingEntity.Account, Key(names.AccountId, of), names.Balance, -amount);
            return await store.WriteAsync(work, cancellationToken);
        }
    }

    private static Task<ImmutableArray<BillingRecord?>> OnceAsync(
        IBillingStore store, string? key, string call, BillingColumns names, Func<Task<ImmutableArray<BillingRecord?>>> decide, CancellationToken cancellationToken) => key is null
        ? decide()
        : new KeyedCall((entity, of) => store.GetAsync(entity, of, cancellationToken), KeyedCall.Require(key, names), names).RunAsync(call, decide);

    /// <summary>What a bill has in all: subtotal and tax as its columns have rounded them.</summary>
    internal static SumOf TotalOf(BillingColumns names) => new(names.Subtotal, names.Tax);

    /// <summary>Sums of a bill; its columns round them.</summary>
    private static ImmutableDictionary<string, object?> Sums(decimal subtotal, decimal tax, BillingColumns names) =>
        Change(names.Subtotal, subtotal).Add(names.Tax, tax).Add(names.Total, TotalOf(names));

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
                catch (StoreException e) when (e is { Error: StoreError.Conflict, HasWaited: false } && clock.Time.GetElapsedTime(began) < Patience)
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

    private static ImmutableDictionary<string, object?> Change(string column, object? value) => ImmutableDictionary<string, object?>.Empty.Add(column, value);
}
