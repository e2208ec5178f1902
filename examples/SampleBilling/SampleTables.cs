namespace SampleBilling;

/// <summary>How the rows of one table are loaded.</summary>
/// <param name="Columns">Columns of the text in its order; one with <c>@</c> goes through an expression.</param>
internal sealed record SampleTable(string Name, IReadOnlyList<string> Columns, IReadOnlyList<string> Expressions, Func<SampleRows> Open);

/// <summary>The rows of one table, taken in portions.</summary>
internal abstract class SampleRows : IDisposable
{
    public abstract Stream Next(int mostRows);

    public abstract void Dispose();
}

internal sealed class SampleRows<TRow>(IEnumerable<TRow> rows, Action<LoadDataText, TRow> format) : SampleRows
{
    private readonly IEnumerator<TRow> _rows = rows.GetEnumerator();

    public override Stream Next(int mostRows) => new RowStream<TRow>(_rows, format, mostRows);

    public override void Dispose() => _rows.Dispose();
}

internal static class SampleTables
{
    public static SampleTable Customer(SampleData data) => Table(
        "customer",
        "customer_id,customer_number,customer_type,first_name,last_name,company_name,email,birth_date,tax_id,address,marketing_consent,notes,created_at,updated_at",
        data.Customers,
        static (text, row) => text.Add(row.CustomerId).Add(row.CustomerNumber).Add(row.CustomerType).Add(row.FirstName).Add(row.LastName)
            .Add(row.CompanyName).Add(row.Email).AddDate(row.BirthDate).Add(row.TaxId).Add(row.Address).Add(row.MarketingConsent).Add(row.Notes)
            .Add(row.CreatedAt).Add(row.UpdatedAt));

    public static SampleTable Account(SampleData data) => Table(
        "billing_account",
        "account_id,customer_id,account_number,status,currency,balance,credit_limit,bill_cycle_day,payment_method,iban,preferences,opened_at,closed_at,updated_at",
        data.Accounts,
        static (text, row) => text.Add(row.AccountId).Add(row.CustomerId).Add(row.AccountNumber).Add(row.Status).Add(row.Currency).Add(row.Balance)
            .Add(row.CreditLimit).Add(row.BillCycleDay).Add(row.PaymentMethod).Add(row.Iban).Add(row.Preferences).Add(row.OpenedAt).Add(row.ClosedAt)
            .Add(row.UpdatedAt));

    public static SampleTable Subscriber(SampleData data) => Table(
        "subscriber",
        "subscriber_id,account_id,phone_number,imsi,display_name,status,features,@pin_hash,activated_at,deactivated_at",
        data.Subscribers,
        static (text, row) => text.Add(row.SubscriberId).Add(row.AccountId).Add(row.PhoneNumber).Add(row.Imsi).Add(row.DisplayName).Add(row.Status)
            .Add(row.Features).Add(row.PinHash).Add(row.ActivatedAt).Add(row.DeactivatedAt),
        "pin_hash = UNHEX(@pin_hash)");

    public static SampleTable Agreement(SampleData data) => Table(
        "service_agreement",
        "agreement_id,subscriber_id,account_id,product_code,status,monthly_fee,discount_percent,start_date,end_date,auto_renew,terms",
        data.Agreements,
        static (text, row) => text.Add(row.AgreementId).Add(row.SubscriberId).Add(row.AccountId).Add(row.ProductCode).Add(row.Status).Add(row.MonthlyFee)
            .Add(row.DiscountPercent).AddDate(row.StartDate).AddDate(row.EndDate).Add(row.AutoRenew).Add(row.Terms));

    public static SampleTable Bill(SampleData data) => Table(
        "bill",
        "bill_id,account_id,bill_number,status,period_start,period_end,bill_date,due_date,subtotal,tax_amount,total,amount_paid,paid_at,created_at",
        data.Bills,
        static (text, row) => text.Add(row.BillId).Add(row.AccountId).Add(row.BillNumber).Add(row.Status).AddDate(row.PeriodStart).AddDate(row.PeriodEnd)
            .AddDate(row.BillDate).AddDate(row.DueDate).Add(row.Subtotal).Add(row.TaxAmount).Add(row.Total).Add(row.AmountPaid).Add(row.PaidAt)
            .Add(row.CreatedAt));

    public static SampleTable Charge(SampleData data) => Table(
        "charge",
        "charge_id,account_id,subscriber_id,bill_id,charge_type,description,quantity,amount,tax_amount,charged_at,created_at",
        data.Charges,
        static (text, row) => text.Add(row.ChargeId).Add(row.AccountId).Add(row.SubscriberId).Add(row.BillId).Add(row.ChargeType).Add(row.Description)
            .Add(row.Quantity).Add(row.Amount).Add(row.TaxAmount).Add(row.ChargedAt).Add(row.CreatedAt));

    private static SampleTable Table<TRow>(
        string name, string columns, Func<IEnumerable<TRow>> rows, Action<LoadDataText, TRow> format, params string[] expressions) =>
        new(name, columns.Split(','), expressions, () => new SampleRows<TRow>(rows(), format));
}
