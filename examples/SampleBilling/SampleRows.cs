namespace SampleBilling;

// One row of each table of examples/sample/schema.sql, columns in the table's order. Times are UTC; ENUM, SET and JSON values are text.

public readonly record struct CustomerRow(
    ulong CustomerId, string CustomerNumber, string CustomerType, string? FirstName, string? LastName, string? CompanyName, string? Email,
    DateTime? BirthDate, string? TaxId, string Address, bool MarketingConsent, string? Notes, DateTime CreatedAt, DateTime UpdatedAt);

public readonly record struct AccountRow(
    ulong AccountId, ulong CustomerId, string AccountNumber, string Status, string Currency, decimal Balance, decimal? CreditLimit,
    int BillCycleDay, string PaymentMethod, string? Iban, string? Preferences, DateTime OpenedAt, DateTime? ClosedAt, DateTime UpdatedAt);

/// <param name="PinHash">32 bytes as hexadecimal digits.</param>
public readonly record struct SubscriberRow(
    ulong SubscriberId, ulong AccountId, string PhoneNumber, ulong? Imsi, string? DisplayName, string Status, string Features,
    string? PinHash, DateTime ActivatedAt, DateTime? DeactivatedAt);

public readonly record struct AgreementRow(
    ulong AgreementId, ulong SubscriberId, ulong AccountId, string ProductCode, string Status, decimal MonthlyFee, decimal? DiscountPercent,
    DateTime StartDate, DateTime? EndDate, bool AutoRenew, string? Terms);

public readonly record struct BillRow(
    ulong BillId, ulong AccountId, string BillNumber, string Status, DateTime PeriodStart, DateTime PeriodEnd, DateTime BillDate, DateTime DueDate,
    decimal Subtotal, decimal TaxAmount, decimal Total, decimal AmountPaid, DateTime? PaidAt, DateTime CreatedAt);

public readonly record struct ChargeRow(
    ulong ChargeId, ulong AccountId, ulong? SubscriberId, ulong? BillId, string ChargeType, string Description, decimal Quantity,
    decimal Amount, decimal TaxAmount, DateTime ChargedAt, DateTime CreatedAt);
