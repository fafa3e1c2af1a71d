(* Networks over the reals; what corners say about a whole cell: Lemmas 10, 11 and 12. *)
From Coq Require Import Reals Lra Psatz ZArith List Bool.
From Exactcam Require Import Plane Polygon.
Import ListNotations.
Open Scope R_scope.

(* ---------- the language: integer coefficients, positive integer scales *)
Definition affmap := (Z * Z)%type.                       (* x -> (s x + c) / scale *)
Record plf := Plf { first : affmap; rest : list ((Z * positive) * affmap) }.  (* breakpoint p/q, next piece *)
Definition row := list (nat * Z).                        (* so many zeros, then a coefficient; and so on *)
Inductive node :=
| Affine (src : list (nat * list row)) (bias : list Z) (scale : positive)
| Pointwise (src : nat) (scale : positive) (units : list plf)
| Max (src : nat) (groups : list (list nat)).
(* a source is 0 for the value just before, 1 for the one before that, ... *)
Definition net := list node.

(* ---------- its meaning *)
Notation vec := (list R).
Fixpoint dot (m : row) (x : vec) : R :=
  match m with
  | [] => 0
  | (gap, a) :: m' => match skipn gap x with y :: x' => IZR a * y + dot m' x' | [] => 0 end
  end.
Fixpoint vadd (x y : vec) : vec :=
  match x, y with a :: x', b :: y' => (a + b) :: vadd x' y' | _, _ => [] end.
Definition brk (t : Z * positive) : R := IZR (fst t) / IZR (Zpos (snd t)).
Definition app_aff (s : positive) (m : affmap) (x : R) : R := (IZR (fst m) * x + IZR (snd m)) / IZR (Zpos s).
Fixpoint pl (s : positive) (m : affmap) (r : list ((Z * positive) * affmap)) (x : R) : R :=
  match r with
  | [] => app_aff s m x
  | (t, m') :: r' => if Rle_dec x (brk t) then app_aff s m x else pl s m' r' x
  end.
Fixpoint pw (s : positive) (us : list plf) (x : vec) : vec :=
  match us, x with u :: us', z :: x' => pl s (first u) (rest u) z :: pw s us' x' | _, _ => [] end.
Definition knots (u : plf) := map fst (rest u).
Fixpoint pw_obs (us : list plf) (x : vec) : list R :=
  match us, x with u :: us', z :: x' => map (fun t => z - brk t) (knots u) ++ pw_obs us' x' | _, _ => [] end.
Fixpoint maxl (a : R) (l : list R) : R := match l with [] => a | b :: t => Rmax a (maxl b t) end.
Definition maxi (l : list R) : R := match l with [] => 0 | a :: t => maxl a t end.
Definition members (x : vec) (g : list nat) : list R := map (fun i => nth i x 0) g.

Definition value (n : node) (st : list vec) : vec :=
  match n with
  | Affine src bias s =>
      map (fun y => y / IZR (Zpos s))
          (fold_right (fun km acc => vadd (map (fun r => dot r (nth (fst km) st [])) (snd km)) acc) (map IZR bias) src)
  | Pointwise k s us => pw s us (nth k st [])
  | Max k gs => map (fun g => maxi (members (nth k st []) g)) gs
  end.
(* what the pattern is about: pre-activations minus breakpoints; members minus their maximum *)
Definition obs (n : node) (st : list vec) : list R :=
  match n with Pointwise k s us => pw_obs us (nth k st []) | _ => [] end.
Definition grp (n : node) (st : list vec) : list (list R) :=
  match n with
  | Max k gs => map (fun g => let ms := members (nth k st []) g in map (fun m => m - maxi ms) ms) gs
  | _ => [] end.
Fixpoint values (N : net) (st : list vec) : list vec :=
  match N with [] => st | n :: N' => values N' (value n st :: st) end.
Fixpoint observed (N : net) (st : list vec) : list R :=
  match N with [] => [] | n :: N' => obs n st ++ observed N' (value n st :: st) end.
Fixpoint grouped (N : net) (st : list vec) : list (list R) :=
  match N with [] => [] | n :: N' => grp n st ++ grouped N' (value n st :: st) end.

Definition sg (x : R) : Z := if Rlt_dec 0 x then 1%Z else if Rlt_dec x 0 then (-1)%Z else 0%Z.
Definition pat := (list Z * list (list Z))%type.
(* the slice: input i is (a u + b v + c) / d *)
Definition input (rows : list (Z * Z * Z)) (d : positive) (p : pt) : vec :=
  map (fun r => let '(a, b, c) := r in (IZR a * px p + IZR b * py p + IZR c) / IZR (Zpos d)) rows.
Definition pattern (N : net) (x : vec) : pat := (map sg (observed N [x]), map (map sg) (grouped N [x])).

(* the network is well formed: functions are continuous, breakpoints increase *)
Fixpoint wf_pl (m : affmap) (r : list ((Z * positive) * affmap)) : Prop :=
  match r with
  | [] => True
  | (t, m') :: r' =>
      (fst m * fst t + snd m * Zpos (snd t) = fst m' * fst t + snd m' * Zpos (snd t))%Z
      /\ match r' with [] => True | (t', _) :: _ => (fst t * Zpos (snd t') < fst t' * Zpos (snd t))%Z end
      /\ wf_pl m' r'
  end.
Definition wf_node (n : node) : Prop :=
  match n with Pointwise _ _ us => forall u, In u us -> wf_pl (first u) (rest u) | _ => True end.
Definition wf (N : net) := forall n, In n N -> wf_node n.

Definition ngroups (n : node) : nat := match n with Max _ gs => length gs | _ => 0%nat end.
Fixpoint ngr (N : net) : nat := match N with [] => 0%nat | n :: N' => (ngroups n + ngr N')%nat end.

Lemma pos_IZR (q : positive) : 0 < IZR (Zpos q). Proof. apply IZR_lt. lia. Qed.
#[export] Hint Resolve pos_IZR : core.

(* ---------- forms *)
Definition evs (p : pt) (fs : list form) : vec := map (fun f => ev f p) fs.
Definition zero := F 0 0 0.
Definition const (c : R) := F 0 0 c.
Definition fadd (f g : form) := F (fa f + fa g) (fb f + fb g) (fc f + fc g).
Definition fmul (s : R) (f : form) := F (s * fa f) (s * fb f) (s * fc f).
Lemma ev_zero p : ev zero p = 0. Proof. unfold ev; simpl; ring. Qed.
Lemma ev_const c p : ev (const c) p = c. Proof. unfold ev; simpl; ring. Qed.
Lemma ev_add f g p : ev (fadd f g) p = ev f p + ev g p. Proof. unfold ev; simpl; ring. Qed.
Lemma ev_mul s f p : ev (fmul s f) p = s * ev f p. Proof. unfold ev; simpl; ring. Qed.
Lemma evs_length p fs : length (evs p fs) = length fs. Proof. apply map_length. Qed.
Lemma nth_evs p fs i : nth i (evs p fs) 0 = ev (nth i fs zero) p.
Proof. rewrite <- (ev_zero p) at 1. exact (map_nth (fun f => ev f p) fs zero i). Qed.
Lemma nth_evss p SF k : nth k (map (evs p) SF) [] = evs p (nth k SF []).
Proof. exact (map_nth (evs p) SF [] k). Qed.

Fixpoint dotF (m : row) (x : list form) : form :=
  match m with
  | [] => zero
  | (gap, a) :: m' => match skipn gap x with y :: x' => fadd (fmul (IZR a) y) (dotF m' x') | [] => zero end
  end.
Lemma skipn_map {A B} (f : A -> B) n : forall l, skipn n (map f l) = map f (skipn n l).
Proof. induction n as [|n IH]; intros [|a l]; simpl; auto. Qed.
Lemma ev_dot m p : forall x, dot m (evs p x) = ev (dotF m x) p.
Proof.
  induction m as [|[g a] m IH]; intros x; simpl; rewrite ?ev_zero; [reflexivity|].
  unfold evs at 1. rewrite skipn_map. destruct (skipn g x) as [|y x']; simpl; [now rewrite ev_zero|].
  rewrite ev_add, ev_mul. f_equal. apply IH.
Qed.
Fixpoint vaddF (x y : list form) : list form :=
  match x, y with a :: x', b :: y' => fadd a b :: vaddF x' y' | _, _ => [] end.
Lemma evs_vadd p x : forall y, vadd (evs p x) (evs p y) = evs p (vaddF x y).
Proof. induction x as [|a x IH]; intros [|b y]; simpl; try reflexivity. rewrite ev_add. f_equal. apply IH. Qed.

Lemma nth_map_lt {A B} (f : A -> B) l : forall i d d', (i < length l)%nat -> nth i (map f l) d' = f (nth i l d).
Proof. induction l as [|a l IH]; intros [|i] d d' L; simpl in *; try lia; [reflexivity|]. apply IH. lia. Qed.

(* ---------- one cell *)
Section cell.
Variable C : list pt.
Hypothesis conv_C : conv C.

(* at no entry are corners strictly on both sides *)
Definition agree (O : pt -> list R) := forall k,
  (forall v, In v C -> 0 <= nth k (O v) 0) \/ (forall v, In v C -> nth k (O v) 0 <= 0).
(* in each group some member is the maximum at all corners *)
Definition common (G : pt -> list (list R)) (n : nat) := forall g, (g < n)%nat ->
  exists m, forall v, In v C -> nth m (nth g (G v) []) (-1) = 0.

Lemma agree_app n O1 O2 : (forall v, In v C -> length (O1 v) = n) -> agree (fun v => O1 v ++ O2 v) -> agree O1 /\ agree O2.
Proof.
  intros L A. split; intros k.
  - destruct (Nat.lt_ge_cases k n) as [K|K].
    + destruct (A k) as [H|H]; [left|right]; intros v I; specialize (H v I); rewrite app_nth1 in H; auto; rewrite L; auto.
    + left. intros v I. rewrite nth_overflow; [lra | rewrite L; auto].
  - destruct (A (n + k)%nat) as [H|H]; [left|right]; intros v I; specialize (H v I);
      rewrite app_nth2 in H by (rewrite L; auto; lia); rewrite L in H by auto;
      replace (n + k - n)%nat with k in H by lia; exact H.
Qed.
Lemma agree_ext O1 O2 : (forall v, In v C -> O1 v = O2 v) -> agree O1 -> agree O2.
Proof. intros E A k. destruct (A k) as [H|H]; [left|right]; intros v I; rewrite <- E by auto; auto. Qed.

Lemma pl_form s f r : forall m, wf_pl m r -> agree (fun v => map (fun t => ev f v - brk t) (map fst r)) ->
  exists g, forall p, inP C p -> pl s m r (ev f p) = ev g p.
Proof.
  induction r as [|[t m'] r IH]; intros m W A.
  - exists (fmul (/ IZR (Zpos s)) (fadd (fmul (IZR (fst m)) f) (const (IZR (snd m))))).
    intros p _. simpl. rewrite ev_mul, ev_add, ev_mul, ev_const. unfold app_aff. unfold Rdiv. ring.
  - destruct W as (W1 & W2 & W3).
    set (d := fadd f (const (- brk t))).
    assert (D : forall p, ev d p = ev f p - brk t) by (intros p; unfold d; rewrite ev_add, ev_const; ring).
    destruct (A 0%nat) as [H|H]; simpl in H.
    + assert (A' : agree (fun v => map (fun t => ev f v - brk t) (map fst r))).
      { intros k. apply (A (S k)). }
      destruct (IH m' W3 A') as (g & G). exists g. intros p Ip.
      rewrite <- G by exact Ip. simpl.
      assert (N : 0 <= ev d p). { apply (nonneg_on C); auto. intros v Iv. rewrite D. auto. }
      rewrite D in N. destruct (Rle_dec (ev f p) (brk t)) as [L|L]; [|reflexivity].
      assert (E : ev f p = brk t) by lra. rewrite E.
      assert (Q : app_aff s m (brk t) = app_aff s m' (brk t)).
      { unfold app_aff, brk. apply (f_equal IZR) in W1. rewrite !plus_IZR, !mult_IZR in W1.
        field_simplify; [| split; apply Rgt_not_eq, pos_IZR | split; apply Rgt_not_eq, pos_IZR].
        f_equal. lra. }
      rewrite Q. destruct r as [|[t' m''] r]; [reflexivity|]. simpl.
      destruct (Rle_dec (brk t) (brk t')) as [L'|L']; [reflexivity|]. exfalso. apply L'. apply Rlt_le.
      unfold brk. apply IZR_lt in W2. rewrite !mult_IZR in W2.
      pose proof (pos_IZR (snd t)); pose proof (pos_IZR (snd t')).
      apply Rmult_lt_reg_r with (IZR (Zpos (snd t)) * IZR (Zpos (snd t'))); [apply Rmult_lt_0_compat; auto|].
      field_simplify; lra.
    + exists (fmul (/ IZR (Zpos s)) (fadd (fmul (IZR (fst m)) f) (const (IZR (snd m))))).
      intros p Ip. assert (N : ev d p <= 0). { apply (nonpos_on C); auto. intros v Iv. rewrite D. auto. }
      rewrite D in N. simpl. destruct (Rle_dec (ev f p) (brk t)) as [L|L]; [|lra].
      rewrite ev_mul, ev_add, ev_mul, ev_const. unfold app_aff, Rdiv. ring.
Qed.

Fixpoint obsF (us : list plf) (x : list form) : list form :=
  match us, x with u :: us', z :: x' => map (fun t => fadd z (const (- brk t))) (knots u) ++ obsF us' x' | _, _ => [] end.
Lemma evs_obsF p us : forall x, pw_obs us (evs p x) = evs p (obsF us x).
Proof.
  induction us as [|u us IH]; intros [|z x]; simpl; try reflexivity.
  unfold evs at 2. rewrite map_app. f_equal; [|apply IH]. rewrite map_map. apply map_ext. intros t.
  rewrite ev_add, ev_const. ring.
Qed.
Lemma pw_form s us : forall x, (forall u, In u us -> wf_pl (first u) (rest u)) -> agree (fun v => pw_obs us (evs v x)) ->
  exists gs, forall p, inP C p -> pw s us (evs p x) = evs p gs.
Proof.
  induction us as [|u us IH]; intros [|z x] W A; simpl; try (exists []; reflexivity).
  apply (agree_app (length (knots u)) (fun v => map (fun t => ev z v - brk t) (knots u)) (fun v => pw_obs us (evs v x))) in A;
    [|intros; apply map_length].
  destruct A as [A1 A2].
  destruct (IH x) as (gs & G); [intros; apply W; simpl; auto | exact A2 |].
  destruct (pl_form s z (rest u) (first u)) as (g & H); [apply W; simpl; auto | exact A1 |].
  exists (g :: gs). intros p Ip. simpl. f_equal; auto.
Qed.

Lemma maxl_ge l : forall a m, In m (a :: l) -> m <= maxl a l.
Proof.
  induction l as [|b l IH]; intros a m; simpl.
  - intros [<-|[]]; lra.
  - intros [<-|H]; [apply Rmax_l|]. eapply Rle_trans; [apply (IH b m H) | apply Rmax_r].
Qed.
Lemma maxl_in l : forall a, In (maxl a l) (a :: l).
Proof.
  induction l as [|b l IH]; intros a; simpl; [auto|]. destruct (Rle_dec a (maxl b l)).
  - rewrite Rmax_right by assumption. right. apply (IH b).
  - rewrite Rmax_left by lra. auto.
Qed.
Lemma maxi_is l m : In m l -> (forall n, In n l -> n <= m) -> maxi l = m.
Proof.
  destruct l as [|a l]; [simpl; tauto|]. intros I H. simpl. apply Rle_antisym; [apply H, maxl_in | apply maxl_ge, I].
Qed.
Lemma maxi_ge l m : In m l -> m <= maxi l.
Proof. destruct l; [simpl; tauto|]. apply maxl_ge. Qed.

Definition membersF (x : list form) (g : list nat) := map (fun i => nth i x zero) g.
Lemma evs_members p x g : members (evs p x) g = evs p (membersF x g).
Proof. unfold members, membersF, evs. rewrite map_map. apply map_ext. intros i. apply (nth_evs p x i). Qed.
Lemma group_form x g : (exists m, forall v, In v C ->
    nth m (map (fun y => y - maxi (members (evs v x) g)) (members (evs v x) g)) (-1) = 0) ->
  exists h, forall p, inP C p -> maxi (members (evs p x) g) = ev h p.
Proof.
  intros [m H]. set (fs := membersF x g).
  assert (K : forall p, members (evs p x) g = evs p fs) by (intros; apply evs_members).
  assert (M : (m < length fs)%nat).
  { destruct C as [|v C']; [simpl in conv_C; tauto|]. specialize (H v (or_introl eq_refl)). rewrite K in H.
    destruct (Nat.lt_ge_cases m (length fs)) as [X|X]; [exact X|]. rewrite nth_overflow in H; [lra|].
    rewrite map_length, evs_length. exact X. }
  exists (nth m fs zero). intros p Ip. rewrite K. apply maxi_is.
  { rewrite <- (nth_evs p fs m). apply nth_In. rewrite evs_length. exact M. }
  intros n In_. unfold evs in In_. apply in_map_iff in In_. destruct In_ as (f & <- & If).
  cut (0 <= ev (fadd (nth m fs zero) (neg f)) p). { rewrite ev_add, ev_neg. lra. }
  apply (nonneg_on C); auto. intros v Iv. rewrite ev_add, ev_neg.
  specialize (H v Iv). rewrite K in H.
  rewrite (nth_indep _ (-1) (0 - maxi (evs v fs))) in H by (rewrite map_length, evs_length; exact M).
  rewrite (map_nth (fun y => y - maxi (evs v fs)) (evs v fs) 0 m), nth_evs in H.
  assert (ev f v <= maxi (evs v fs)). { apply maxi_ge. unfold evs. apply in_map_iff. exists f; auto. }
  lra.
Qed.

(* the cell's forms, node by node *)
Lemma node_form n SF : wf_node n ->
  agree (fun v => obs n (map (evs v) SF)) ->
  common (fun v => grp n (map (evs v) SF)) (ngroups n) ->
  exists fs OF GF, forall p, inP C p ->
    value n (map (evs p) SF) = evs p fs /\ obs n (map (evs p) SF) = evs p OF /\ grp n (map (evs p) SF) = map (evs p) GF.
Proof.
  intros W A G. destruct n as [src bias s|k s us|k gs].
  - assert (X : exists fs, forall p, fold_right (fun km acc => vadd (map (fun r => dot r (nth (fst km) (map (evs p) SF) [])) (snd km)) acc) (map IZR bias) src = evs p fs).
    { clear A G W. induction src as [|[k M] src IH].
      - exists (map (fun b => const (IZR b)) bias). intros p. simpl. unfold evs. rewrite map_map. apply map_ext. intros b. now rewrite ev_const.
      - destruct IH as (fs & H). 
        exists (vaddF (map (fun r => dotF r (nth k SF [])) M) fs). intros p. simpl. rewrite H, <- evs_vadd. f_equal.
        rewrite nth_evss. unfold evs at 2. rewrite map_map. apply map_ext. intros r. apply ev_dot. }
    destruct X as (fs & H). exists (map (fmul (/ IZR (Zpos s))) fs), [], []. intros p _. repeat split.
    simpl. rewrite H. unfold evs. rewrite !map_map. apply map_ext. intros f. rewrite ev_mul. unfold Rdiv. ring.
  - destruct (pw_form s us (nth k SF [])) as (fs & H); [exact W | |].
    { eapply agree_ext; [|exact A]. intros v _. simpl. now rewrite nth_evss. }
    exists fs, (obsF us (nth k SF [])), []. intros p Ip. repeat split; simpl; rewrite nth_evss; [apply H, Ip | apply evs_obsF].
  - assert (X : exists hs, forall p, inP C p -> map (fun g => maxi (members (evs p (nth k SF [])) g)) gs = evs p hs).
    { simpl in G.
      assert (G' : forall i, (i < length gs)%nat -> exists m, forall v, In v C ->
        nth m (map (fun y => y - maxi (members (evs v (nth k SF [])) (nth i gs []))) (members (evs v (nth k SF [])) (nth i gs []))) (-1) = 0).
      { intros i Li. destruct (G i Li) as (m & H). exists m. intros v Iv. specialize (H v Iv).
        rewrite (nth_map_lt _ gs i [] []), nth_evss in H by exact Li. exact H. }
      clear G A W. induction gs as [|g gs IH]; [exists []; reflexivity|].
      destruct (group_form (nth k SF []) g) as (h & H). { apply (G' 0%nat). simpl; lia. }
      destruct IH as (hs & Hs). { intros i Li. apply (G' (S i)). simpl; lia. }
      exists (h :: hs). intros p Ip. simpl. f_equal; auto. }
    destruct X as (hs & H).
    exists hs, [], (map (fun gh => map (fun f => fadd f (neg (snd gh))) (membersF (nth k SF []) (fst gh))) (combine gs hs)).
    intros p Ip. specialize (H p Ip). repeat split.
    + simpl. rewrite nth_evss. exact H.
    + simpl. rewrite nth_evss. clear G A W. revert hs H. induction gs as [|g gs IH]; intros [|h hs] H; simpl in *; try reflexivity; try discriminate.
      injection H as H1 H2. f_equal; [|apply IH, H2]. rewrite H1, evs_members. unfold evs. rewrite !map_map. apply map_ext. intros f.
      rewrite ev_add, ev_neg. ring.
Qed.

Lemma common_app n1 n2 G1 G2 : (forall v, In v C -> length (G1 v) = n1) -> common (fun v => G1 v ++ G2 v) (n1 + n2) ->
  common G1 n1 /\ common G2 n2.
Proof.
  intros L A. split; intros g K.
  - destruct (A g) as (m & H); [lia|]. exists m. intros v I. specialize (H v I). rewrite app_nth1 in H; auto. rewrite L; auto.
  - destruct (A (n1 + g)%nat) as (m & H); [lia|]. exists m. intros v I. specialize (H v I).
    rewrite app_nth2 in H by (rewrite L; auto; lia). rewrite L in H by auto.
    replace (n1 + g - n1)%nat with g in H by lia. exact H.
Qed.
Lemma common_ext n G1 G2 : (forall v, In v C -> G1 v = G2 v) -> common G1 n -> common G2 n.
Proof. intros E A g K. destruct (A g K) as (m & H). exists m. intros v I. rewrite <- E by auto. auto. Qed.
Lemma obs_length n SF v : length (obs n (map (evs v) SF)) = length (obs n (map (evs (P 0 0)) SF)).
Proof. destruct n; try reflexivity. simpl. rewrite !nth_evss, !evs_obsF, !evs_length. reflexivity. Qed.
Lemma grp_length n st : length (grp n st) = ngroups n.
Proof. destruct n; try reflexivity. apply map_length. Qed.

(* Lemmas 10 and 11, node by node: values are affine on the cell *)
Theorem net_form N : forall SF, wf N ->
  agree (fun v => observed N (map (evs v) SF)) -> common (fun v => grouped N (map (evs v) SF)) (ngr N) ->
  exists OF GF VF, forall p, inP C p -> observed N (map (evs p) SF) = evs p OF /\
    grouped N (map (evs p) SF) = map (evs p) GF /\ values N (map (evs p) SF) = map (evs p) VF.
Proof.
  induction N as [|n N IH]; intros SF W A G.
  { exists [], [], SF. intros; repeat split. }
  simpl in A, G. apply (agree_app _ _ _ (fun v _ => obs_length n SF v)) in A. destruct A as [A1 A2].
  apply (common_app _ _ _ _ (fun v _ => grp_length n _)) in G. destruct G as [G1 G2].
  destruct (node_form n SF) as (fs & OF1 & GF1 & H1); [apply W; simpl; auto | exact A1 | exact G1 |].
  assert (E : forall p, inP C p -> value n (map (evs p) SF) :: map (evs p) SF = map (evs p) (fs :: SF)).
  { intros p Ip. simpl. f_equal. apply H1, Ip. }
  destruct (IH (fs :: SF)) as (OF2 & GF2 & VF & H2).
  - intros m M. apply W. simpl; auto.
  - eapply agree_ext; [|exact A2]. intros v Iv. simpl. f_equal. apply E. apply corner_in; assumption.
  - eapply common_ext; [|exact G2]. intros v Iv. simpl. f_equal. apply E. apply corner_in; assumption.
  - exists (OF1 ++ OF2), (GF1 ++ GF2), VF. intros p Ip. simpl. rewrite (E p Ip).
    destruct (H1 p Ip) as (_ & -> & ->). destruct (H2 p Ip) as (-> & -> & ->).
    unfold evs. rewrite !map_app. repeat split.
Qed.

Lemma grp_nonpos n st g m : nth m (nth g (grp n st) []) (-1) <= 0.
Proof.
  destruct n as [| |k gs]; simpl; try (destruct g; destruct m; simpl; lra).
  destruct (Nat.lt_ge_cases g (length gs)) as [L|L].
  - rewrite (nth_map_lt _ gs g [] []) by exact L. set (ms := members (nth k st []) (nth g gs [])).
    destruct (Nat.lt_ge_cases m (length ms)) as [M|M].
    + rewrite (nth_map_lt _ ms m 0 (-1)) by exact M. pose proof (maxi_ge ms (nth m ms 0) (nth_In _ _ M)). lra.
    + rewrite nth_overflow; [lra | rewrite map_length; exact M].
  - rewrite (nth_overflow (map _ gs)) by (rewrite map_length; exact L). destruct m; simpl; lra.
Qed.
Lemma grouped_nonpos N : forall st g m, nth m (nth g (grouped N st) []) (-1) <= 0.
Proof.
  induction N as [|n N IH]; intros st g m; simpl; [destruct g; destruct m; simpl; lra|].
  destruct (Nat.lt_ge_cases g (length (grp n st))) as [L|L].
  - rewrite app_nth1 by exact L. apply grp_nonpos.
  - rewrite app_nth2 by exact L. apply IH.
Qed.

(* Lemma 12: inside the cell a sign is that of some corner that has one *)
Theorem inside_signs N SF p : wf N -> inside C p ->
  agree (fun v => observed N (map (evs v) SF)) -> common (fun v => grouped N (map (evs v) SF)) (ngr N) ->
  (forall k, (0 < nth k (observed N (map (evs p) SF)) 0 <-> exists v, In v C /\ 0 < nth k (observed N (map (evs v) SF)) 0)
          /\ (nth k (observed N (map (evs p) SF)) 0 < 0 <-> exists v, In v C /\ nth k (observed N (map (evs v) SF)) 0 < 0))
  /\ forall g m, nth m (nth g (grouped N (map (evs p) SF)) []) (-1) = 0 <->
        forall v, In v C -> nth m (nth g (grouped N (map (evs v) SF)) []) (-1) = 0.
Proof.
  intros W Ip A G. destruct (net_form N SF W A G) as (OF & GF & VF & H).
  pose proof (inside_inP _ _ Ip) as Jp. destruct (H p Jp) as (Ho & Hg & _). rewrite Ho, Hg.
  assert (HoC : forall v k, In v C -> nth k (observed N (map (evs v) SF)) 0 = ev (nth k OF zero) v).
  { intros v k Iv. destruct (H v (corner_in C v conv_C Iv)) as (-> & _). apply nth_evs. }
  assert (HgC : forall v, In v C -> grouped N (map (evs v) SF) = map (evs v) GF).
  { intros v Iv. apply (H v (corner_in C v conv_C Iv)). }
  assert (Y : forall f, (forall v, In v C -> 0 <= ev f v) -> (0 < ev f p <-> exists v, In v C /\ 0 < ev f v)).
  { intros f P0. split.
    - intros K. destruct (Rlt_dec 0 (ev f p)) as [_|]; [|tauto].
      assert (D : (exists v, In v C /\ 0 < ev f v) \/ (forall v, In v C -> ev f v <= 0)).
      { clear - C. induction C as [|c l IH]; [right; simpl; tauto|]. destruct (Rlt_le_dec 0 (ev f c)).
        - left; exists c; simpl; auto.
        - destruct IH as [(v & I & L)|L]; [left; exists v; simpl; auto | right; intros v [<-|I]; auto]. }
      destruct D as [D|D]; [exact D|]. pose proof (nonpos_on C f conv_C D p Jp). lra.
    - intros (v & Iv & K). apply (pos_inside C f p v); auto. apply corner_in; auto. }
  split.
  - intros k. rewrite nth_evs. set (f := nth k OF zero).
    destruct (A k) as [B|B].
    + assert (P0 : forall v, In v C -> 0 <= ev f v) by (intros v Iv; unfold f; rewrite <- HoC by exact Iv; auto).
      split.
      * rewrite (Y f P0). split; intros (v & Iv & K); exists v; (split; [exact Iv|]); rewrite HoC in * by exact Iv; exact K.
      * pose proof (nonneg_on C f conv_C P0 p Jp). split; [lra|]. intros (v & Iv & K). specialize (B v Iv). lra.
    + assert (P0 : forall v, In v C -> 0 <= ev (neg f) v) by (intros v Iv; rewrite ev_neg; specialize (B v Iv); rewrite HoC in B by exact Iv; fold f in B; lra).
      pose proof (nonneg_on C (neg f) conv_C P0 p Jp) as Q. rewrite ev_neg in Q. split.
      * split; [lra|]. intros (v & Iv & K). specialize (B v Iv). lra.
      * pose proof (Y (neg f) P0) as Z. rewrite ev_neg in Z. split.
        -- intros L. destruct Z as [Z _]. destruct Z as (v & Iv & K); [lra|]. rewrite ev_neg in K. exists v; split; auto. rewrite HoC by exact Iv. fold f. lra.
        -- intros (v & Iv & K). destruct Z as [_ Z]. rewrite HoC in K by exact Iv. fold f in K.
           assert (0 < - ev f p); [|lra]. apply Z. exists v; split; auto. rewrite ev_neg. lra.
  - intros g m. rewrite nth_evss. set (h := nth g GF []).
    assert (HC : forall v, In v C -> nth g (grouped N (map (evs v) SF)) [] = evs v h).
    { intros v Iv. rewrite HgC by exact Iv. apply nth_evss. }
    destruct (Nat.lt_ge_cases m (length h)) as [M|M].
    + assert (N1 : forall v, nth m (evs v h) (-1) = ev (nth m h zero) v).
      { intros v. rewrite (nth_indep _ (-1) 0) by (rewrite evs_length; exact M). apply nth_evs. }
      rewrite N1. set (f := nth m h zero) in *.
      assert (P0 : forall v, In v C -> 0 <= ev (neg f) v).
      { intros v Iv. rewrite ev_neg. pose proof (grouped_nonpos N (map (evs v) SF) g m) as Q. rewrite HC, N1 in Q by exact Iv. lra. }
      pose proof (nonneg_on C (neg f) conv_C P0 p Jp) as Q. rewrite ev_neg in Q.
      pose proof (Y (neg f) P0) as Z. rewrite ev_neg in Z. split.
      * intros E v Iv. rewrite HC, N1 by exact Iv. specialize (P0 v Iv). rewrite ev_neg in P0.
        destruct (Rlt_le_dec (ev f v) 0) as [L|L]; [|lra]. assert (0 < - ev f p); [|lra].
        apply Z. exists v; split; auto. rewrite ev_neg. lra.
      * intros E. destruct (Rlt_le_dec 0 (- ev f p)) as [L|L]; [|lra]. apply Z in L. destruct L as (v & Iv & K).
        rewrite ev_neg in K. specialize (E v Iv). rewrite HC, N1 in E by exact Iv. lra.
    + rewrite nth_overflow by (rewrite evs_length; exact M). split; [lra|]. intros E.
      destruct C as [|c l]; [simpl in conv_C; tauto|]. specialize (E c (or_introl eq_refl)).
      rewrite HC, nth_overflow in E by (simpl; auto; rewrite evs_length; exact M). lra.
Qed.
End cell.

(* ---------- the shape of a pattern does not depend on the point *)
Definition shape (st : list vec) := map (@length R) st.
Lemma shape_nth st k : length (nth k st []) = nth k (shape st) 0%nat.
Proof. unfold shape. symmetry. exact (map_nth (@length R) st [] k). Qed.
Lemma vadd_length x : forall y, length (vadd x y) = Nat.min (length x) (length y).
Proof. induction x as [|a x IH]; intros [|b y]; simpl; auto. Qed.
Lemma pw_length s us : forall x, length (pw s us x) = Nat.min (length us) (length x).
Proof. induction us as [|u us IH]; intros [|z x]; simpl; auto. Qed.
Lemma value_shape n st st' : shape st = shape st' -> length (value n st) = length (value n st').
Proof.
  intros E. destruct n as [src b s|k s us|k gs]; simpl.
  - rewrite !map_length. induction src as [|[k M] src IH]; simpl; [reflexivity|]. rewrite !vadd_length, !map_length, IH. reflexivity.
  - rewrite !pw_length, !shape_nth, E. reflexivity.
  - rewrite !map_length. reflexivity.
Qed.
Lemma obs_shape n st st' : shape st = shape st' -> length (obs n st) = length (obs n st').
Proof.
  intros E. destruct n as [src b s|k s us|k gs]; try reflexivity. simpl.
  assert (L : length (nth k st []) = length (nth k st' [])) by (rewrite !shape_nth, E; reflexivity).
  revert L. generalize (nth k st []), (nth k st' []). induction us as [|u us IH]; intros [|z x] [|z' x'] L; simpl in *; try discriminate; auto.
  rewrite !app_length, !map_length. f_equal. apply IH. lia.
Qed.
Lemma grp_shape n st st' : map (@length R) (grp n st) = map (@length R) (grp n st').
Proof.
  destruct n as [src b s|k s us|k gs]; try reflexivity. simpl. rewrite !map_map. apply map_ext. intros g.
  unfold members. rewrite !map_length. reflexivity.
Qed.
Lemma net_shape N : forall st st', shape st = shape st' ->
  length (observed N st) = length (observed N st') /\ map (@length R) (grouped N st) = map (@length R) (grouped N st').
Proof.
  induction N as [|n N IH]; intros st st' E; simpl; [auto|].
  destruct (IH (value n st :: st) (value n st' :: st')) as [H1 H2].
  { unfold shape in *. simpl. rewrite E. f_equal. apply value_shape, E. }
  rewrite !app_length, !map_app. split; f_equal; auto; [apply obs_shape, E | apply grp_shape].
Qed.
